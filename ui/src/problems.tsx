import { locate } from "./json";
import type { PlacedProblem } from "./outcome";
import { parseHeaders } from "./run";
import type { Message } from "./use-message";

/** What is wrong with a field: that it cannot be sent, or what the handler's types say. */
export function Problems({ id, complaint = "", problems, onGo }: {
  id: string;
  complaint?: string;
  problems: PlacedProblem[];
  onGo?: (problem: PlacedProblem) => void;
}) {
  return (
    <div id={id} className="try-complaints">
      {complaint && (
        <p className="try-complaint" role="alert">
          {complaint}
        </p>
      )}
      {problems.length > 0 && (
        <ul className="try-problems">
          {problems.map((problem, index) => {
            const place = (problem.path ?? problem.loc).join(" → ") || "the payload";
            return (
              <li key={index}>
                {onGo ? (
                  <button type="button" onClick={() => onGo(problem)}>
                    {place}
                  </button>
                ) : (
                  <code>{place}</code>
                )}{" "}
                {problem.message}
              </li>
            );
          })}
        </ul>
      )}
    </div>
  );
}

interface PlacedProblems {
  payload: PlacedProblem[];
  headers: PlacedProblem[];
  address: PlacedProblem[];
  others: PlacedProblem[];
}

/** Each problem at the field that it concerns, as far as that can be told. */
export function placeProblems(
  problems: PlacedProblem[],
  message: Message,
  hasAddress: boolean,
): PlacedProblems {
  const placed: PlacedProblems = { payload: [], headers: [], address: [], others: [] };
  let headers: string[] = [];
  try {
    headers = Object.keys(parseHeaders(message.headers)).map((name) => name.toLowerCase());
  } catch {
    // Not even JSON.
  }
  for (const problem of problems) {
    const name = String(problem.loc[0] ?? "").toLowerCase();
    const isHeader = headers.includes(name) || headers.includes(name.replaceAll("_", "-"));
    if (problem.path) placed.payload.push(problem);
    else if (isHeader) placed.headers.push(problem);
    else if (find(message.payload, problem.loc)) placed.payload.push(problem);
    else if (hasAddress && problem.loc.length === 1) placed.address.push(problem);
    else placed.others.push(problem);
  }
  return placed;
}

/** Where the payload has a value that is called so, perhaps below the name of a parameter. */
function find(payload: string, loc: (string | number)[]): [number, number] | undefined {
  return locate(payload, loc) ?? (loc.length > 1 ? locate(payload, loc.slice(1)) : undefined);
}

/** Go to where the payload has what a problem is about. */
export function select(field: HTMLTextAreaElement | null, { path, loc }: PlacedProblem): void {
  if (!field) return;
  field.focus();
  // What is missing has no place: then where it should be.
  const wanted = path ?? loc;
  for (let length = wanted.length; length >= 0; length -= 1) {
    const part = wanted.slice(0, length);
    const range = path ? locate(field.value, part) : find(field.value, part);
    if (!range) continue;
    field.setSelectionRange(...range);
    return;
  }
}
