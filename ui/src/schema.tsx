import type { SchemaInterface } from "@asyncapi/parser";
import { Markdown } from "@asyncapi/react-component/lib/esm/components/Markdown";
import { createContext, useContext, useId, useMemo, useState } from "react";
import type { ReactNode } from "react";
import { isObject } from "./accepts";
import { Fold } from "./fold";
import { factsOf, fieldsOf, isRawValue, typeOf } from "./schema-fields";
import type { Field } from "./schema-fields";

// "Expand all" opens at most so much; models that refer to each other have no end.
const MOST_FIELDS = 150;
const DEEPEST = 6;
const MOST_FIELDS_AT_FIRST = 30;

/** Whether schemas start open, where they are not too long. */
export const StartsOpen = createContext(false);

/**
 * A schema as a tree of fields, in place of the component's.
 *
 * Only what is open is rendered, so that a schema may refer to itself in any way.
 */
export function Schema({ schema, schemaName, expanded }: {
  schema?: SchemaInterface;
  schemaName?: ReactNode;
  expanded?: boolean;
}) {
  const json: unknown = schema?.json();
  const startsOpen = useContext(StartsOpen);
  const [open, setOpen] = useState<ReadonlySet<string>>(() => {
    const isShort = fieldsOf(json, []).length <= MOST_FIELDS_AT_FIRST;
    return new Set(expanded || (startsOpen && isShort) ? [""] : []);
  });
  const [isCut, setIsCut] = useState(false);
  const whole = useMemo(
    () => ({ label: schemaName, json, isRequired: false }) as Field,
    [json, schemaName],
  );
  if (json === undefined) return null;
  const isExpandable = fieldsOf(json, []).length > 0;
  const toggle = (path: string) => {
    const next = new Set(open);
    if (!next.delete(path)) next.add(path);
    setOpen(next);
    setIsCut(false);
  };
  const expand = () => {
    const plan = everything(json);
    setOpen(plan.paths);
    setIsCut(plan.isCut);
  };
  const collapse = () => {
    setOpen(new Set());
    setIsCut(false);
  };
  return (
    <div className="schema">
      {isExpandable && (
        <button type="button" className="schema-all" onClick={open.has("") ? collapse : expand}>
          {open.has("") ? "Collapse all" : "Expand all"}
          {typeof schemaName === "string" && (
            <span className="for-readers"> of {schemaName}</span>
          )}
        </button>
      )}
      <Row field={whole} path="" ancestors={[]} open={open} toggle={toggle} />
      {isCut && (
        <p className="schema-cut">
          Cut: this schema is larger than what is opened at once. Open the rest one by one.
        </p>
      )}
    </div>
  );
}

function Row({ field, path, ancestors, open, toggle }: {
  field: Field;
  path: string;
  ancestors: readonly unknown[];
  open: ReadonlySet<string>;
  toggle: (path: string) => void;
}) {
  const id = useId();
  const { json, label, isRequired } = field;
  const isCircular = isObject(json) && ancestors.includes(json);
  const fields = isCircular ? [] : fieldsOf(json, ancestors);
  const isOpen = open.has(path) && fields.length > 0;
  const description = isObject(json) && typeof json.description === "string" ? json.description : "";
  const facts = factsOf(json);
  const name = <span className={path ? "field-name" : "schema-name"}>{label}</span>;
  return (
    <>
      <div className="field-head">
        {fields.length > 0 ? (
          <Fold isOpen={isOpen} controls={id} onToggle={() => toggle(path)}>
            {name}
          </Fold>
        ) : (
          name
        )}
        {isRawValue(json) ? (
          <code className="field-value">{String(json.const)}</code>
        ) : (
          (path || typeOf(json) !== "object") && <span className="field-type">{typeOf(json)}</span>
        )}
        {isRequired && <span className="field-required">required</span>}
        {isObject(json) && json.deprecated === true && <span className="field-flag">deprecated</span>}
        {isObject(json) && json.readOnly === true && <span className="field-flag">read-only</span>}
        {isObject(json) && json.writeOnly === true && <span className="field-flag">write-only</span>}
        {isCircular && <span className="field-flag">circular: as above</span>}
      </div>
      {description && (
        <div className="field-text">
          <Markdown>{description}</Markdown>
        </div>
      )}
      {facts.length > 0 && (
        <dl className="field-facts">
          {facts.map(([term, value], index) => (
            <div key={index}>
              <dt>{term}</dt>
              <dd>
                <code>{value}</code>
              </dd>
            </div>
          ))}
        </dl>
      )}
      {fields.length > 0 && (
        <ul id={id} className="fields">
          {isOpen &&
            fields.map((each, index) => (
              <li key={index}>
                <Row
                  field={each}
                  path={`${path}/${index}`}
                  ancestors={isObject(json) ? [...ancestors, json] : ancestors}
                  open={open}
                  toggle={toggle}
                />
              </li>
            ))}
        </ul>
      )}
    </>
  );
}

/** The paths of all fields that can be opened, level by level, up to the budget. */
function everything(root: unknown): { paths: Set<string>; isCut: boolean } {
  const paths = new Set<string>();
  let shown = 0;
  let isCut = false;
  let level: [path: string, json: unknown, ancestors: unknown[]][] = [["", root, []]];
  for (let depth = 0; level.length > 0; depth += 1) {
    const next: typeof level = [];
    for (const [path, json, ancestors] of level) {
      const fields = ancestors.includes(json) ? [] : fieldsOf(json, ancestors);
      if (!fields.length) continue;
      if (depth > 0 && (depth >= DEEPEST || shown + fields.length > MOST_FIELDS)) {
        isCut = true;
        continue;
      }
      paths.add(path);
      shown += fields.length;
      const inside = [...ancestors, json];
      fields.forEach((field, index) => next.push([`${path}/${index}`, field.json, inside]));
    }
    level = next;
  }
  return { paths, isCut };
}
