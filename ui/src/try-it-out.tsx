import { useEffect, useId, useMemo, useRef, useState } from "react";
import type { KeyboardEvent } from "react";
import type { TryItOutConfig } from "./config";
import { CopyButton } from "./copy";
import { examplesOf } from "./examples";
import { Fold } from "./fold";
import { parseJson } from "./json";
import { Outcome, problemsOf, sentenceOf } from "./outcome";
import type { Entry } from "./outline";
import { Problems, placeProblems, select } from "./problems";
import { curlOf, parseHeaders } from "./run";
import type { Trial } from "./run";
import { useMessage } from "./use-message";
import { useRun } from "./use-run";

/** The form that sends a message through an operation's handler. */
export function TryItOut({ entry, config }: { entry: Entry; config: TryItOutConfig }) {
  const [isOpen, setIsOpen] = useState(false);
  const id = useId();
  const reason = config.unavailable[entry.channel.id()];
  if (reason !== undefined) {
    return <p className="try-unavailable">Try It Out is not available here: {reason}</p>;
  }
  return (
    <div className="try">
      <button
        type="button"
        className="try-toggle"
        aria-expanded={isOpen}
        aria-controls={id}
        onClick={() => setIsOpen(!isOpen)}
      >
        {isOpen ? "Close" : "Try it out"}
        <span className="for-readers"> {entry.name}</span>
      </button>
      <div id={id}>{isOpen && <Form entry={entry} config={config} />}</div>
    </div>
  );
}

/** How many seconds a run has taken. */
function Timer() {
  const [seconds, setSeconds] = useState(0);
  useEffect(() => {
    const start = performance.now();
    const timer = setInterval(() => setSeconds((performance.now() - start) / 1000), 100);
    return () => clearInterval(timer);
  }, []);
  return (
    <p className="try-running">
      Running… <span aria-hidden="true">{seconds.toFixed(1)} s</span>
    </p>
  );
}

function Form({ entry, config }: { entry: Entry; config: TryItOutConfig }) {
  const { operation, channel, path } = entry;
  const operationId = operation.id() ?? "";
  const examples = useMemo(() => operation.messages().all().flatMap(examplesOf), [operation]);
  const { example, message, ...fields } = useMessage(operationId, examples);
  const { answer, sent, isRunning, run, cancel, clear } = useRun(config);
  const [toRealBroker, setToRealBroker] = useState(false);
  const [complaint, setComplaint] = useState<{ of: "payload" | "headers"; text: string }>();
  const [headersOpen, setHeadersOpen] = useState(message.headers !== "");
  const payloadField = useRef<HTMLTextAreaElement>(null);
  const sendButton = useRef<HTMLButtonElement>(null);
  const id = useId();
  // A subject with wildcards, a topic filter, a path with parameters: many addresses are served.
  const pattern = /[*>{}#+]/.test(path) ? path : undefined;
  const isReal = config.realBroker && toRealBroker;

  const trialOf = (headers: Record<string, string>): Trial => ({
    channelName: channel.id(),
    operationId,
    operationType: entry.type,
    payload: message.isText ? JSON.stringify(message.payload) : message.payload,
    headers,
    address: fields.address.trim(),
    toRealBroker: isReal,
  });

  /** What would be sent; or says at the field what is wrong, and returns nothing. */
  const read = (): Trial | undefined => {
    setComplaint(undefined);
    try {
      if (!message.isText) parseJson(message.payload);
    } catch (error) {
      setComplaint({ of: "payload", text: `The payload is not JSON. ${textOf(error)}` });
      return undefined;
    }
    try {
      return trialOf(parseHeaders(message.headers));
    } catch (error) {
      setHeadersOpen(true);
      setComplaint({ of: "headers", text: `The headers are not a JSON object. ${textOf(error)}` });
      return undefined;
    }
  };

  const submit = () => {
    if (isRunning) return;
    clear();
    const trial = read();
    if (trial) void run(trial);
  };

  const stop = () => {
    cancel();
    // The button that had the focus is about to go.
    sendButton.current?.focus();
  };

  const restart = (change: () => void) => {
    change();
    clear();
    setComplaint(undefined);
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      submit();
    }
  };

  const problems = answer?.kind === "report" ? problemsOf(answer.report.error) : [];
  const placed = placeProblems(problems, message, pattern !== undefined);
  const isStale = sent !== undefined && sent !== staleKey(trialOf, message.headers);
  const verb = isReal ? "Publish to the real broker" : "Send as dry run";

  return (
    <div className="try-form" role="group" aria-label={`Try ${entry.name}`} onKeyDown={onKeyDown}>
      <p className={isReal ? "try-note try-note-real" : "try-note"}>
        {isReal ? (
          <>
            <strong>Real broker.</strong> The message is published: every subscriber of the channel, in
            every service, may receive it.
          </>
        ) : (
          <>
            <strong>Dry run.</strong> Neither this message nor anything that the handler publishes
            reaches the broker. What else the handler does (database, HTTP, files) does happen.
          </>
        )}
      </p>
      {examples.length > 1 && (
        <p className="try-row">
          <label htmlFor={`${id}-example`}>Example</label>
          <select
            id={`${id}-example`}
            value={fields.chosen}
            onChange={(event) => restart(() => fields.choose(Number(event.target.value)))}
          >
            {examples.map(({ label }, index) => (
              <option key={index} value={index}>
                {label}
              </option>
            ))}
          </select>
        </p>
      )}
      {pattern && (
        <div>
          <label htmlFor={`${id}-address`}>Address</label>
          <input
            id={`${id}-address`}
            type="text"
            spellCheck={false}
            autoCapitalize="none"
            autoComplete="off"
            value={fields.address}
            aria-describedby={`${id}-address-hint ${id}-address-problems`}
            aria-invalid={placed.address.length > 0 && !isStale}
            onChange={(event) => fields.moveTo(event.target.value)}
          />
          <p className="try-hint" id={`${id}-address-hint`}>
            One that matches <code>{pattern}</code>. Left empty, one is made up.
          </p>
          <Problems id={`${id}-address-problems`} problems={placed.address} />
        </div>
      )}
      <div>
        <div className="try-row">
          <label htmlFor={`${id}-payload`}>Payload</label>
          <label className="try-check">
            <input
              type="checkbox"
              checked={message.isText}
              onChange={(event) => fields.edit({ isText: event.target.checked })}
            />{" "}
            send as plain text
          </label>
        </div>
        <textarea
          id={`${id}-payload`}
          ref={payloadField}
          className="try-payload"
          spellCheck={false}
          rows={rows(message.payload)}
          value={message.payload}
          aria-invalid={complaint?.of === "payload" || (placed.payload.length > 0 && !isStale)}
          aria-describedby={`${id}-payload-hint ${id}-payload-problems`}
          onChange={(event) => fields.edit({ payload: event.target.value })}
        />
        {example.note && !fields.isEdited && (
          <p className="try-hint" id={`${id}-payload-hint`}>
            {example.note}
          </p>
        )}
        <Problems
          id={`${id}-payload-problems`}
          complaint={complaint?.of === "payload" ? complaint.text : ""}
          problems={placed.payload}
          onGo={(problem) => select(payloadField.current, problem)}
        />
      </div>
      <div>
        <Fold
          isOpen={headersOpen}
          controls={`${id}-headers`}
          onToggle={() => setHeadersOpen(!headersOpen)}
        >
          Headers
        </Fold>
        <div id={`${id}-headers`}>
          {headersOpen && (
            <textarea
              aria-label="Headers, as a JSON object"
              className="try-headers"
              spellCheck={false}
              rows={rows(message.headers)}
              value={message.headers}
              placeholder='{"x-tenant": "example"}'
              aria-invalid={complaint?.of === "headers" || (placed.headers.length > 0 && !isStale)}
              aria-describedby={`${id}-headers-problems`}
              onChange={(event) => fields.edit({ headers: event.target.value })}
            />
          )}
          <Problems
            id={`${id}-headers-problems`}
            complaint={complaint?.of === "headers" ? complaint.text : ""}
            problems={placed.headers}
          />
        </div>
      </div>
      {config.realBroker && (
        <label className="try-check">
          <input
            type="checkbox"
            checked={toRealBroker}
            onChange={(event) => restart(() => setToRealBroker(event.target.checked))}
          />{" "}
          publish to the real broker
        </label>
      )}
      <div className="try-row try-actions">
        <span>
          <button
            type="button"
            ref={sendButton}
            className={isReal ? "try-send try-send-real" : "try-send"}
            aria-disabled={isRunning}
            aria-keyshortcuts="Control+Enter"
            title="Ctrl + Enter"
            onClick={submit}
          >
            {verb}
          </button>
          {isRunning && (
            <button type="button" className="try-cancel" onClick={stop}>
              Cancel
            </button>
          )}
          {fields.isEdited && !isRunning && (
            <button
              type="button"
              className="try-reset"
              onClick={() => {
                restart(fields.reset);
                payloadField.current?.focus();
              }}
            >
              Reset
            </button>
          )}
        </span>
        <CurlButton trialOf={read} config={config} />
      </div>
      {isRunning && <Timer />}
      <p role="status" className="for-readers">
        {isRunning ? "Running" : answer && sentenceOf(answer).sentence}
      </p>
      <div className="try-outcome">
        {answer && <Outcome answer={answer} isStale={isStale} others={placed.others} />}
      </div>
    </div>
  );
}

function CurlButton({ trialOf, config }: { trialOf: () => Trial | undefined; config: TryItOutConfig }) {
  return (
    <CopyButton
      label="Copy as curl"
      what="this message"
      text={() => {
        const trial = trialOf();
        return trial && curlOf(trial, config);
      }}
    />
  );
}

/** What the request would be now, to compare it with what was sent. */
function staleKey(trialOf: (headers: Record<string, string>) => Trial, headers: string): string {
  try {
    return JSON.stringify(trialOf(parseHeaders(headers)));
  } catch {
    return "";
  }
}

function textOf(error: unknown): string {
  const text = error instanceof Error ? error.message : "";
  return text && `${text[0]?.toUpperCase()}${text.slice(1)}.`;
}

function rows(source: string): number {
  return Math.min(24, Math.max(3, source.split("\n").length + 1));
}
