import { usePageConfig } from "./config";
import { useStatus } from "./status";

const WORDS: Record<string, string> = {
  up: "Consuming",
  down: "Not consuming",
  dead: "Dead",
  idle: "Idle",
  unknown: "Unknown",
};

/** Whether an operation's subscriber consumes, in a word and a shape. */
export function ConsumptionBadge({ operationId }: { operationId: string }) {
  const config = usePageConfig();
  const status = useStatus();
  if (!config.status) return null;
  if (status && !Object.hasOwn(status.operations, operationId)) return null;
  const { consumption = "unknown", reason = "" } = status?.operations[operationId] ?? {};
  return <Badge state={consumption} word={WORDS[consumption] ?? consumption} reason={reason} />;
}

/** The same as a shape alone, for the table of contents. */
export function ConsumptionMark({ operationId }: { operationId: string }) {
  const status = useStatus();
  const state = status?.operations[operationId]?.consumption;
  // What is as it should be needs no sign there.
  if (!state || state === "up" || state === "idle") return null;
  return (
    <span className={`mark mark-${state}`} title={WORDS[state]}>
      <span className="for-readers">{WORDS[state]}</span>
    </span>
  );
}

/** Whether a server's broker answers. */
export function ServerBadge({ serverId }: { serverId: string }) {
  const config = usePageConfig();
  const status = useStatus();
  if (!config.status) return null;
  if (status && !Object.hasOwn(status.servers, serverId)) return null;
  const server = status?.servers[serverId];
  const state = server ? (server.connected ? "up" : "down") : "unknown";
  const word = server ? (server.connected ? "Connected" : "Not connected") : "Unknown";
  return <Badge state={state} word={word} reason={server?.reason ?? ""} />;
}

function Badge({ state, word, reason }: { state: string; word: string; reason: string }) {
  return (
    <p className={`status status-${state}`}>
      <span className={`mark mark-${state}`} />
      <strong>{word}</strong>
      {reason && <span>{reason}</span>}
    </p>
  );
}
