import { useSyncExternalStore } from "react";
import { isObject } from "./accepts";

export type Consumption = "up" | "down" | "dead" | "idle" | "unknown";

export interface Status {
  operations: Record<string, { consumption: Consumption; reason: string }>;
  servers: Record<string, { connected: boolean; reason: string }>;
}

const SECONDS_BETWEEN = 5;
const SECONDS_FOR_ONE = 10;

/** Asks the application what its subscribers do, while the page is visible. */
class Watch {
  private current: Status | null = null;
  private readonly listeners = new Set<() => void>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private isAsking = false;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  read = (): Status | null => this.current;

  start(url: string): void {
    const ask = async () => {
      clearTimeout(this.timer);
      if (this.isAsking || document.visibilityState !== "visible") return;
      this.isAsking = true;
      const status = await fetchStatus(url);
      this.isAsking = false;
      if (!isSame(status, this.current)) {
        this.current = status;
        for (const listener of this.listeners) listener();
      }
      this.timer = setTimeout(() => void ask(), SECONDS_BETWEEN * 1000);
    };
    document.addEventListener("visibilitychange", () => void ask());
    void ask();
  }
}

export const watch = new Watch();

/** The latest status; null where there is none, or where the last question was not answered. */
export function useStatus(): Status | null {
  return useSyncExternalStore(watch.subscribe, watch.read);
}

function isSame(one: Status | null, other: Status | null): boolean {
  const facts = (status: Status | null) => JSON.stringify([status?.operations, status?.servers]);
  return facts(one) === facts(other);
}

async function fetchStatus(url: string): Promise<Status | null> {
  try {
    const response = await fetch(url, {
      headers: { Accept: "application/json" },
      signal: AbortSignal.timeout(SECONDS_FOR_ONE * 1000),
    });
    if (!response.ok || response.redirected) return null;
    const status: unknown = await response.json();
    return isObject(status) && isObject(status.operations) && isObject(status.servers)
      ? (status as unknown as Status)
      : null;
  } catch {
    return null;
  }
}
