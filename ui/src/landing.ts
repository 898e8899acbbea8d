import { useEffect, useLayoutEffect, useRef } from "react";
import type { Entry } from "./outline";
import { setReady } from "./ready";

/**
 * Makes every link to a place on this page land there.
 *
 * The browser does it alone, but for two cases: the place that the page's own address names comes
 * after the browser has looked for it, and a filter may hide the place.
 */
export function useLanding(
  isWhole: boolean,
  entries: Entry[],
  filter: string,
  clearFilter: () => void,
): void {
  const hidden = useRef("");
  useLayoutEffect(() => {
    if (!isWhole) return;
    goTo(target());
    setReady("document");
  }, [isWhole]);
  useLayoutEffect(() => {
    if (filter || !hidden.current) return;
    goTo(hidden.current);
    hidden.current = "";
  }, [filter]);
  useEffect(() => {
    const onHashChange = () => {
      const anchor = target();
      if (!entries.some((entry) => entry.anchor === anchor)) return;
      if (!document.getElementById(anchor)?.closest("[hidden]")) return;
      hidden.current = anchor;
      clearFilter();
    };
    addEventListener("hashchange", onHashChange);
    return () => removeEventListener("hashchange", onHashChange);
  }, [entries, clearFilter]);
}

function goTo(anchor: string): void {
  document.getElementById(anchor)?.scrollIntoView();
}

function target(): string {
  const hash = location.hash.slice(1);
  try {
    return decodeURIComponent(hash);
  } catch {
    return hash;
  }
}
