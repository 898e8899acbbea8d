import type { ReactNode } from "react";

/** A heading with a link to itself. */
export function Heading({ level, anchor, name, children }: {
  level: 2 | 3 | 4;
  anchor: string;
  /** What the link is called. */
  name: string;
  children: ReactNode;
}) {
  const Tag = `h${level}` as const;
  return (
    <div className={`heading heading-${level}`}>
      <Tag>{children}</Tag>
      <a className="permalink" href={hrefOf(anchor)} aria-label={`Link to ${name}`}>
        <span aria-hidden="true">#</span>
      </a>
    </div>
  );
}

/** The address of an element on this page, by its id. */
export function hrefOf(anchor: string): string {
  return `#${encodeURIComponent(anchor)}`;
}
