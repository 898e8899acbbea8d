import { useState } from "react";
import type { ReactNode } from "react";
import { CopyButton } from "./copy";

const MOST_CHARACTERS = 20_000;
const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\b\d[\d.eE+-]*/g;

/** JSON with a caption and a button that copies it; what is long is shown in part at first. */
export function JsonView(props: { caption: ReactNode; copies: string; source: string }) {
  const { caption, copies, source } = props;
  const [isWhole, setIsWhole] = useState(false);
  const shown = isWhole ? source : source.slice(0, MOST_CHARACTERS);
  return (
    <figure className="json">
      <figcaption>
        <span>{caption}</span>
        <CopyButton what={copies} text={() => source} />
      </figcaption>
      {/* It scrolls, so the keyboard has to get there. */}
      <pre tabIndex={0}>
        <code>{colored(shown)}</code>
      </pre>
      {shown.length < source.length && (
        <p className="json-cut">
          {`The first ${written(MOST_CHARACTERS)} of ${written(source.length)} characters. `}
          <button type="button" onClick={() => setIsWhole(true)}>
            Show all
          </button>
        </p>
      )}
    </figure>
  );
}

function written(count: number): string {
  return count.toLocaleString("en");
}

function colored(source: string): ReactNode[] {
  const parts: ReactNode[] = [];
  let end = 0;
  for (const match of source.matchAll(TOKEN)) {
    const [token, text, colon] = match;
    if (match.index > end) parts.push(source.slice(end, match.index));
    const kind = text === undefined ? "value" : colon === undefined ? "text" : "name";
    parts.push(
      <span key={match.index} className={`json-${kind}`}>
        {text ?? token}
      </span>,
    );
    end = match.index + (text ?? token).length;
  }
  parts.push(source.slice(end));
  return parts;
}
