import type { MessageInterface } from "@asyncapi/parser";
import { useConfig } from "@asyncapi/react-component/lib/esm/contexts/useConfig";
import { useId, useMemo, useState } from "react";
import { examplesOf } from "./examples";
import { Fold } from "./fold";
import { JsonView } from "./json-view";

/** A message's examples, in place of the component's: made within a budget, and to be copied. */
export function MessageExample({ message }: { message?: MessageInterface }) {
  const startsOpen = useConfig().expand?.messageExamples ?? false;
  const [isOpen, setIsOpen] = useState(startsOpen);
  const id = useId();
  const examples = useMemo(() => (message ? examplesOf(message) : []), [message]);
  if (!message || !(message.payload() ?? message.headers())) return null;
  return (
    <div className="examples">
      <Fold isOpen={isOpen} controls={id} onToggle={() => setIsOpen(!isOpen)}>
        {examples.length > 1 ? `${examples.length} examples` : "Example"}
      </Fold>
      <div id={id}>
        {isOpen &&
          examples.map(({ label, payload, headers, note }, index) => (
            <div key={index}>
              {payload && (
                <JsonView
                  caption={examples.length > 1 ? `Payload: ${label}` : "Payload"}
                  copies={`the payload of ${label}`}
                  source={payload}
                />
              )}
              {headers && (
                <JsonView caption="Headers" copies={`the headers of ${label}`} source={headers} />
              )}
              {note && <p className="examples-note">{note}</p>}
            </div>
          ))}
      </div>
    </div>
  );
}
