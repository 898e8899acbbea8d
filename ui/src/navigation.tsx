import { useConfig } from "@asyncapi/react-component/lib/esm/contexts/useConfig";
import { useSpec } from "@asyncapi/react-component/lib/esm/contexts/useSpec";
import { memo, useId } from "react";
import { Filter } from "./filter";
import type { FilterProps } from "./filter";
import { hrefOf } from "./heading";
import { brokerTitle } from "./outline";
import type { Entry, Group } from "./outline";
import { ConsumptionMark } from "./status-badge";

/** The table of contents, with the filter. */
export function Navigation({ groups, filter, onFollow }: {
  groups: Group[];
  filter: FilterProps;
  onFollow: () => void;
}) {
  const document = useSpec();
  const { show } = useConfig();
  const servers = document.servers().all();
  const components = document.components();
  const messages = components.messages().all().map((message) => message.id());
  const schemas = components.schemas().all().map((schema) => schema.id());
  const isFiltered = filter.text.trim() !== "";
  return (
    <>
      <p className="contents-title">
        <a href="#introduction" onClick={onFollow}>
          {document.info().title()} <small>{document.info().version()}</small>
        </a>
      </p>
      {show?.operations && <Filter {...filter} />}
      {show?.servers && !isFiltered && (
        <Part
          title="Servers"
          anchor="servers"
          onFollow={onFollow}
          items={servers.map((server) => [`server-${server.id()}`, brokerTitle(server)])}
        />
      )}
      {show?.operations && (
        <div className="contents-part" onClick={(event) => followed(event.target) && onFollow()}>
          <a className="contents-head" href="#operations">
            Operations
          </a>
          {groups.map((group) => (
            <Operations key={group.title} group={group} hasTitle={groups.length > 1} />
          ))}
        </div>
      )}
      {show?.messages && !isFiltered && (
        <Part
          title="Messages"
          anchor="messages"
          onFollow={onFollow}
          items={messages.map((id) => [`message-${id}`, id])}
        />
      )}
      {show?.schemas && !isFiltered && (
        <Part
          title="Schemas"
          anchor="schemas"
          onFollow={onFollow}
          items={schemas.map((id) => [`schema-${id}`, id])}
        />
      )}
    </>
  );
}

function followed(target: EventTarget): boolean {
  return target instanceof Element && target.closest("a") !== null;
}

const Operations = memo(function Operations({ group, hasTitle }: { group: Group; hasTitle: boolean }) {
  const id = useId();
  return (
    <>
      {hasTitle && (
        <p className="contents-group" id={id}>
          {group.title}
        </p>
      )}
      <ul aria-labelledby={hasTitle ? id : undefined}>
        {group.entries.map((entry) => (
          <li key={entry.anchor}>
            <a href={hrefOf(entry.anchor)}>
              <Verb entry={entry} isShort />
              <span className="contents-name">
                {entry.name}
                {entry.address && <small>{entry.address}</small>}
              </span>
              <ConsumptionMark operationId={entry.operation.id() ?? ""} />
            </a>
          </li>
        ))}
      </ul>
    </>
  );
});

/** What an operation does, as a small sign. */
export function Verb({ entry, isShort = false }: { entry: Entry; isShort?: boolean }) {
  const { verb, isHttp } = entry;
  const kind = isHttp ? "http" : verb;
  const short = verb === "receive" ? "recv" : verb;
  return (
    <span className={`verb verb-${kind}`}>
      {isShort && short !== verb ? <abbr title={verb}>{short}</abbr> : verb}
    </span>
  );
}

const Part = memo(function Part({ title, anchor, items, onFollow }: {
  title: string;
  anchor: string;
  items: [anchor: string, name: string][];
  onFollow: () => void;
}) {
  if (!items.length) return null;
  return (
    <div className="contents-part">
      <a className="contents-head" href={hrefOf(anchor)} onClick={onFollow}>
        {title}
      </a>
      <ul>
        {items.map(([each, name]) => (
          <li key={each}>
            <a href={hrefOf(each)} onClick={onFollow}>
              <span className="contents-name">{name}</span>
            </a>
          </li>
        ))}
      </ul>
    </div>
  );
});
