import { memo } from "react";
import type { ReactNode } from "react";
import { Heading } from "./heading";
import { Operation } from "./operation";
import { fits } from "./outline";
import type { Entry, Group } from "./outline";
import { StartsOpen } from "./schema";

/** All operations, in place of the component's list: in groups, and those that the filter leaves. */
export function Operations({ groups, areBrokers, filter, onClear, children }: {
  groups: Group[];
  /** Whether the titles of the groups are brokers. */
  areBrokers: boolean;
  filter: string;
  onClear: () => void;
  children?: ReactNode;
}) {
  if (!groups.length) return null;
  const isShown = (entry: Entry) => !filter || fits(entry, filter);
  const hasTitles = groups.length > 1;
  const isEmpty = !groups.some(({ entries }) => entries.some(isShown));
  return (
    <section id="operations" tabIndex={-1}>
      <Heading level={2} anchor="operations" name="the operations">
        Operations
      </Heading>
      {children}
      {isEmpty && (
        <p className="filter-empty">
          No operation has “{filter}”.{" "}
          <button type="button" onClick={onClear}>
            Show all
          </button>
        </p>
      )}
      <StartsOpen.Provider value={true}>
        {groups.map(({ title, entries }) => (
          <div key={title} hidden={!entries.some(isShown)}>
            {hasTitles && (
              <Heading level={3} anchor={anchorOf(title)} name={title}>
                <span id={anchorOf(title)}>{title}</span>
              </Heading>
            )}
            <ul>
              {entries.map((entry) => (
                <Item
                  key={entry.anchor}
                  entry={entry}
                  level={hasTitles ? 4 : 3}
                  hasBroker={areBrokers}
                  isShown={isShown(entry)}
                />
              ))}
            </ul>
          </div>
        ))}
      </StartsOpen.Provider>
    </section>
  );
}

function anchorOf(title: string): string {
  return `group-${title.replaceAll(/[^\p{L}\p{N}.:-]+/gu, "-")}`;
}

const Item = memo(function Item({ entry, level, hasBroker, isShown }: {
  entry: Entry;
  level: 3 | 4;
  hasBroker: boolean;
  isShown: boolean;
}) {
  return (
    <li id={entry.anchor} className="operation" hidden={!isShown}>
      <Operation entry={entry} level={level} hasBroker={hasBroker} />
    </li>
  );
});
