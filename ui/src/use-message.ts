import { useState } from "react";
import { readDrafts, writeDrafts } from "./drafts";
import type { Example } from "./examples";

const EMPTY: Example = { label: "empty", payload: "", headers: "", note: "" };

export interface Message {
  payload: string;
  headers: string;
  isText: boolean;
}

/** The fields of a form: what was typed, or else the example that was chosen. */
export function useMessage(operation: string, examples: Example[]) {
  const [drafts, setDrafts] = useState(
    () => readDrafts(operation) ?? { chosen: 0, address: "", messages: {} },
  );
  const chosen = drafts.chosen < examples.length ? drafts.chosen : 0;
  const example = examples[chosen] ?? EMPTY;
  const pristine: Message = { payload: example.payload, headers: example.headers, isText: false };
  // Two examples may have one label.
  const key = `${chosen} ${example.label}`;
  const draft = drafts.messages[key];
  const keep = (next: typeof drafts) => {
    const isPristine = !next.address && !next.chosen && Object.keys(next.messages).length === 0;
    writeDrafts(operation, isPristine ? undefined : next);
    setDrafts(next);
  };
  return {
    chosen,
    example,
    address: drafts.address,
    message: draft ?? pristine,
    isEdited: draft !== undefined || drafts.address !== "",
    choose: (index: number) => keep({ ...drafts, chosen: index }),
    edit: (change: Partial<Message>) => {
      const { [key]: _, ...others } = drafts.messages;
      const next = { ...pristine, ...draft, ...change };
      const isSame = JSON.stringify(next) === JSON.stringify(pristine);
      keep({ ...drafts, messages: isSame ? others : { ...others, [key]: next } });
    },
    moveTo: (address: string) => keep({ ...drafts, address }),
    reset: () => {
      const { [key]: _, ...messages } = drafts.messages;
      keep({ chosen, address: "", messages });
    },
  };
}
