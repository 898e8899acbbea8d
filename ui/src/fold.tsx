import type { ReactNode } from "react";

/** A button that opens and closes something. */
export function Fold(props: {
  isOpen: boolean;
  controls: string;
  label?: string;
  onToggle: () => void;
  children: ReactNode;
}) {
  return (
    <button
      type="button"
      className="fold"
      aria-expanded={props.isOpen}
      aria-controls={props.controls}
      aria-label={props.label}
      onClick={props.onToggle}
    >
      <svg viewBox="0 0 12 12" aria-hidden="true">
        <path d="M4 2l4 4-4 4" />
      </svg>
      {props.children}
    </button>
  );
}
