/** What somebody typed into the form of an operation, by the example that it began with. */
export interface Drafts {
  chosen: number;
  address: string;
  messages: Record<string, { payload: string; headers: string; isText: boolean }>;
}

const MOST_CHARACTERS = 200_000;

// Where the browser keeps nothing for this page, drafts last as long as the page.
const kept = new Map<string, Drafts>();

/** In the tab's own storage: a payload may hold what is nobody else's business. */
export function readDrafts(operation: string): Drafts | undefined {
  const key = keyOf(operation);
  const known = kept.get(key);
  if (known) return known;
  try {
    const drafts = JSON.parse(sessionStorage.getItem(key) ?? "null") as Drafts | null;
    if (drafts && typeof drafts.messages === "object") {
      kept.set(key, drafts);
      return drafts;
    }
  } catch {
    // No storage, or something else in it.
  }
  return undefined;
}

/** Keep drafts; undefined forgets them. */
export function writeDrafts(operation: string, drafts: Drafts | undefined): void {
  const key = keyOf(operation);
  if (drafts) kept.set(key, drafts);
  else kept.delete(key);
  try {
    const text = drafts && JSON.stringify(drafts);
    if (text && text.length <= MOST_CHARACTERS) sessionStorage.setItem(key, text);
    else sessionStorage.removeItem(key);
  } catch {
    // The storage is full or not there.
  }
}

function keyOf(operation: string): string {
  return `try-it-out ${location.pathname} ${operation}`;
}
