import { useEffect, useState } from "react";

const SHOWN_FOR = 2000;

/** A button that copies a text, and says that it did. */
export function CopyButton({ what, text, label = "Copy" }: {
  what: string;
  /** Undefined where there is nothing to copy. */
  text: () => string | undefined;
  label?: string;
}) {
  const [outcome, setOutcome] = useState<"" | "Copied" | "Not copied">("");
  useEffect(() => {
    if (!outcome) return undefined;
    const timer = setTimeout(() => setOutcome(""), SHOWN_FOR);
    return () => clearTimeout(timer);
  }, [outcome]);
  return (
    <>
      <button
        type="button"
        className="copy"
        aria-label={`${label} ${what}`}
        onClick={() => void copy(text()).then((done) => setOutcome(done ? "Copied" : "Not copied"))}
      >
        {outcome || label}
      </button>
      <span role="status" className="for-readers">
        {outcome}
      </span>
    </>
  );
}

async function copy(text: string | undefined): Promise<boolean> {
  if (text === undefined) return false;
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // There is no clipboard without https, but on this host itself.
    return copyFromField(text);
  }
}

function copyFromField(text: string): boolean {
  const focused = document.activeElement;
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "for-readers";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return done;
}
