import { useEffect, useId, useRef } from "react";
import { flushSync } from "react-dom";

export interface FilterProps {
  text: string;
  onText: (text: string) => void;
  shown: number;
  all: number;
  /** How the operations are grouped; undefined where there is no choice. */
  grouping: "broker" | "tag" | undefined;
  onGrouping: (grouping: "broker" | "tag") => void;
  /** Make the field visible, before the keyboard goes there. */
  onShortcut: () => void;
}

/** The field that leaves only some operations on the page; `/` goes there, Escape empties it. */
export function Filter({ text, onText, shown, all, grouping, onGrouping, onShortcut }: FilterProps) {
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
      event.preventDefault();
      flushSync(onShortcut); // what is typed next belongs to the field
      field.current?.focus();
      field.current?.select();
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, [onShortcut]);
  return (
    <search role="search" className="filter">
      <label htmlFor={id}>Filter operations</label>
      <div className="filter-field">
        <input
          id={id}
          ref={field}
          type="search"
          spellCheck={false}
          autoCapitalize="none"
          autoComplete="off"
          placeholder="Name, address, message…"
          aria-keyshortcuts="/"
          value={text}
          onChange={(event) => onText(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Escape" && text) {
              event.stopPropagation();
              onText("");
            }
          }}
        />
        <kbd aria-hidden="true">/</kbd>
      </div>
      <p role="status" className={text.trim() ? "filter-count" : "for-readers"}>
        {text.trim() && `${shown} of ${all} operations`}
      </p>
      {grouping && (
        <label className="filter-grouping">
          Group by{" "}
          <select
            value={grouping}
            onChange={(event) => onGrouping(event.target.value as "broker" | "tag")}
          >
            <option value="broker">broker</option>
            <option value="tag">tag</option>
          </select>
        </label>
      )}
    </search>
  );
}

function isTyping({ target }: KeyboardEvent): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(?:INPUT|SELECT|TEXTAREA)$/.test(target.tagName))
  );
}
