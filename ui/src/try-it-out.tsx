import { PluginSlot } from "@asyncapi/react-component";
import type { AsyncApiPlugin, ComponentSlotProps } from "@asyncapi/react-component";
import type { MessageInterface } from "@asyncapi/parser";
import { sample } from "openapi-sampler";
import { useId, useMemo, useState } from "react";
import type { KeyboardEvent, ReactNode } from "react";
import type { TryItOutConfig } from "./config";

type OperationProps = ComponentSlotProps<PluginSlot.OPERATION>;

interface Problem {
  type: string;
  message: string;
  details?: unknown[];
}

interface Published {
  broker?: string;
  channel: string;
  payload: unknown;
  headers?: Record<string, unknown>;
  correlation_id?: string | null;
}

/** The answer of `POST {page}/try`. */
interface Answer {
  status: string;
  result?: unknown;
  error?: Problem | null;
  handled_error?: Problem | null;
  acknowledgement?: string | null;
  published?: Published[];
  duration_ms?: number;
}

type Outcome =
  | { kind: "answer"; answer: Answer }
  | { kind: "published" }
  | { kind: "refused"; status: number; detail: string }
  | { kind: "unreachable"; detail: string };

/** The panel that sends a message through an operation's handler. */
export function tryItOut(config: TryItOutConfig): AsyncApiPlugin {
  return {
    name: "faststream-try-it-out",
    version: "1",
    install(api) {
      api.registerComponent(PluginSlot.OPERATION, (props: OperationProps) => (
        <TryItOut config={config} {...props} />
      ));
    },
  };
}

function TryItOut({ config, context }: OperationProps & { config: TryItOutConfig }) {
  const [open, setOpen] = useState(false);
  const form = useId();
  const { operation, channel } = context;
  const bindings = [...channel.bindings().all(), ...operation.bindings().all()];
  // An HTTP route is documented as an operation too, but no broker serves it.
  if (!operation.isReceive() || bindings.some((binding) => binding.protocol() === "http")) {
    return null;
  }
  return (
    <div className="try">
      <button
        type="button"
        className="try-toggle"
        aria-expanded={open}
        aria-controls={form}
        onClick={() => setOpen(!open)}
      >
        {open ? "Close" : "Try it out"}
      </button>
      <div id={form}>{open && <Form config={config} context={context} />}</div>
    </div>
  );
}

function Form({ config, context }: OperationProps & { config: TryItOutConfig }) {
  const { operation, channel } = context;
  const examples = useMemo(
    () => operation.messages().all().flatMap(examplesOf),
    [operation],
  );
  const [chosen, setChosen] = useState(0);
  const example = examples[chosen] ?? EMPTY;
  const [payload, setPayload] = useState(example.payload);
  const [isText, setIsText] = useState(false);
  const [headers, setHeaders] = useState(example.headers);
  const [address, setAddress] = useState("");
  const [toRealBroker, setToRealBroker] = useState(false);
  const [sending, setSending] = useState(false);
  const [outcome, setOutcome] = useState<Outcome>();
  const [complaint, setComplaint] = useState<string>();
  const ids = useId();
  // A subject with wildcards, a topic filter, a path with parameters: many addresses are served.
  const pattern = /[*>{}#+]/.test(context.channelName) ? context.channelName : undefined;

  const choose = (index: number) => {
    const next = examples[index] ?? EMPTY;
    setChosen(index);
    setPayload(next.payload);
    setHeaders(next.headers);
    setComplaint(undefined);
  };

  const submit = async () => {
    if (sending) return;
    let message: unknown = payload;
    let sentHeaders: Record<string, string> = {};
    try {
      if (!isText) message = parse("The payload", payload);
      if (headers.trim()) sentHeaders = parseHeaders(headers);
    } catch (error) {
      setComplaint((error as Error).message);
      return;
    }
    setComplaint(undefined);
    setSending(true);
    const isReal = config.realBroker && toRealBroker;
    const next = await send(config.url, {
      channelName: channel.id(),
      message: {
        operation_id: operation.id() ?? "",
        operation_type: context.type,
        message,
      },
      headers: sentHeaders,
      ...(address.trim() && { address: address.trim() }),
      options: { sendToRealBroker: isReal },
    });
    setOutcome(isReal && next.kind === "answer" ? { kind: "published" } : next);
    setSending(false);
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      void submit();
    }
  };

  return (
    <div className="try-form" onKeyDown={onKeyDown}>
      {config.realBroker && toRealBroker ? (
        <p className="try-note try-note-real">
          The message is published to the <strong>real broker</strong>: every subscriber of the
          channel, in every service, may receive it.
        </p>
      ) : (
        <p className="try-note">
          <strong>Dry run.</strong> Neither this message nor anything that the handler publishes
          reaches the broker. What else the handler does (database, HTTP, files) does happen.
        </p>
      )}
      {examples.length > 1 && (
        <p className="try-row">
          <label htmlFor={`${ids}-example`}>Example</label>
          <select
            id={`${ids}-example`}
            value={chosen}
            onChange={(event) => choose(Number(event.target.value))}
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
          <p className="try-row">
            <label htmlFor={`${ids}-address`}>Address</label>
          </p>
          <input
            id={`${ids}-address`}
            type="text"
            spellCheck={false}
            autoCapitalize="none"
            value={address}
            placeholder={`one that matches ${pattern}; made up when empty`}
            onChange={(event) => setAddress(event.target.value)}
          />
        </div>
      )}
      <div className="try-row">
        <label htmlFor={`${ids}-payload`}>Payload</label>
        <label className="try-check">
          <input
            type="checkbox"
            checked={isText}
            onChange={(event) => setIsText(event.target.checked)}
          />{" "}
          send as plain text
        </label>
      </div>
      <textarea
        id={`${ids}-payload`}
        className="try-payload"
        spellCheck={false}
        rows={rows(payload)}
        value={payload}
        aria-invalid={complaint !== undefined}
        onChange={(event) => setPayload(event.target.value)}
      />
      <details open={example.headers !== ""}>
        <summary>Headers</summary>
        <textarea
          aria-label="Headers, as a JSON object"
          className="try-headers"
          spellCheck={false}
          rows={rows(headers)}
          value={headers}
          placeholder='{"x-tenant": "example"}'
          onChange={(event) => setHeaders(event.target.value)}
        />
      </details>
      {complaint && (
        <p className="try-complaint" role="alert">
          {complaint}
        </p>
      )}
      <div className="try-row">
        <span>
          <button
            type="button"
            className="try-send"
            disabled={sending}
            onClick={() => void submit()}
            title="Ctrl + Enter"
          >
            {sending ? "Sending…" : "Send"}
          </button>
          <button type="button" className="try-reset" onClick={() => choose(chosen)}>
            Reset
          </button>
        </span>
        {config.realBroker && (
          <label className="try-check">
            <input
              type="checkbox"
              checked={toRealBroker}
              onChange={(event) => setToRealBroker(event.target.checked)}
            />{" "}
            publish to the real broker
          </label>
        )}
      </div>
      <div className="try-outcome" role="status">
        {outcome && <OutcomeView outcome={outcome} />}
      </div>
    </div>
  );
}

function OutcomeView({ outcome }: { outcome: Outcome }) {
  if (outcome.kind === "unreachable") {
    return (
      <Section tone="bad" title="No answer from the server">
        <p>{outcome.detail}</p>
      </Section>
    );
  }
  if (outcome.kind === "refused") {
    return (
      <Section tone="bad" title={`Refused (${outcome.status})`}>
        <p>{outcome.detail}</p>
      </Section>
    );
  }
  if (outcome.kind === "published") {
    return (
      <Section tone="good" title="Published to the real broker">
        <p className="try-muted">What its subscribers make of it is in their logs.</p>
      </Section>
    );
  }
  const { answer } = outcome;
  const failed = answer.status === "error" || Boolean(answer.error);
  const handled = !failed && Boolean(answer.handled_error);
  const published = answer.published ?? [];
  return (
    <>
      <Section
        tone={failed ? "bad" : handled ? "warn" : "good"}
        title={
          failed
            ? "The handler failed"
            : handled
              ? "The handler raised an error that was handled"
              : "The handler succeeded"
        }
        facts={[
          answer.acknowledgement && `acknowledgement: ${answer.acknowledgement}`,
          answer.duration_ms !== undefined && `${formatDuration(answer.duration_ms)}`,
        ]}
      >
        {answer.error && <ProblemView problem={answer.error} />}
        {!failed && answer.result !== undefined && answer.result !== null && (
          <Value label="Result" value={answer.result} />
        )}
        {!failed && (answer.result === undefined || answer.result === null) && (
          <p className="try-muted">The handler returned nothing.</p>
        )}
      </Section>
      {answer.handled_error && (
        <Section tone="warn" title="The error that was handled">
          <ProblemView problem={answer.handled_error} />
        </Section>
      )}
      <Section
        tone="plain"
        title={
          published.length === 0
            ? "It would have published nothing"
            : `It would have published ${published.length} ${published.length === 1 ? "message" : "messages"}`
        }
      >
        {published.map((message, index) => (
          <div className="try-published" key={index}>
            <p>
              <code className="try-channel">{message.channel}</code>
              {message.broker && <span className="try-muted"> {message.broker}</span>}
            </p>
            <Value label="Payload" value={message.payload} />
            {message.headers && Object.keys(message.headers).length > 0 && (
              <Value label="Headers" value={message.headers} />
            )}
            {message.correlation_id && (
              <p className="try-muted">correlation id {message.correlation_id}</p>
            )}
          </div>
        ))}
      </Section>
    </>
  );
}

function ProblemView({ problem }: { problem: Problem }) {
  return (
    <div>
      <p>
        <strong>{problem.type}</strong>
      </p>
      <pre className="try-message">{problem.message}</pre>
      {problem.details && problem.details.length > 0 && (
        <Value label="Details" value={problem.details} />
      )}
    </div>
  );
}

function Value({ label, value }: { label: string; value: unknown }) {
  return (
    <figure>
      <figcaption>{label}</figcaption>
      <pre>{typeof value === "string" ? value : JSON.stringify(value, null, 2)}</pre>
    </figure>
  );
}

function Section(props: {
  tone: "good" | "bad" | "warn" | "plain";
  title: string;
  facts?: (string | false | null | undefined | 0)[];
  children?: ReactNode;
}) {
  return (
    <section className={`try-result try-${props.tone}`}>
      <h4>
        <span>{props.title}</span>
        {props.facts?.filter(Boolean).map((fact) => (
          <small key={String(fact)}>{fact}</small>
        ))}
      </h4>
      {props.children}
    </section>
  );
}

interface Example {
  label: string;
  payload: string;
  headers: string;
}

const EMPTY: Example = { label: "empty", payload: "", headers: "" };

function examplesOf(message: MessageInterface): Example[] {
  const title = message.title() ?? message.name() ?? message.id() ?? "message";
  const schema = message.payload()?.json();
  const headers = message.headers()?.json();
  const given = message
    .examples()
    .all()
    .filter((example) => example.hasPayload())
    .map((example, index) => ({
      label: example.name() ?? example.summary() ?? `${title}, example ${index + 1}`,
      payload: text(example.payload()),
      headers: example.hasHeaders() ? text(example.headers()) : "",
    }));
  if (given.length) return given;
  const samples = (schema as { examples?: unknown[] } | undefined)?.examples;
  const generatedHeaders = headers ? text(generate(headers)) : "";
  if (samples?.length) {
    return samples.map((payload, index) => ({
      label: `${title}, example ${index + 1}`,
      payload: text(payload),
      headers: generatedHeaders,
    }));
  }
  // One form for each alternative of a union: FastStream describes several handlers of one
  // channel with `oneOf`.
  const alternatives = (schema as { oneOf?: unknown[] } | undefined)?.oneOf ?? [schema];
  return alternatives.map((alternative, index) => ({
    label:
      (alternative as { title?: string } | undefined)?.title ??
      (alternatives.length > 1 ? `${title}, ${index + 1}` : title),
    payload: alternative === undefined ? "" : text(generate(alternative)),
    headers: generatedHeaders,
  }));
}

function generate(schema: unknown): unknown {
  try {
    return withoutParserKeys(sample(schema as never, { maxSampleDepth: 6, quiet: true }));
  } catch {
    return null;
  }
}

function withoutParserKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutParserKeys);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !key.startsWith("x-parser-"))
      .map(([key, inner]) => [key, withoutParserKeys(inner)]),
  );
}

function text(value: unknown): string {
  return JSON.stringify(value ?? null, null, 2);
}

function parse(what: string, source: string): unknown {
  try {
    return JSON.parse(source);
  } catch (error) {
    throw new Error(`${what} is not JSON: ${(error as Error).message}`);
  }
}

/** Brokers carry text in headers: other values are sent as JSON. */
function parseHeaders(source: string): Record<string, string> {
  const headers = parse("The headers", source);
  if (typeof headers !== "object" || headers === null || Array.isArray(headers)) {
    throw new Error("The headers are not a JSON object.");
  }
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
  );
}

function rows(source: string): number {
  return Math.min(24, Math.max(3, source.split("\n").length + 1));
}

function formatDuration(milliseconds: number): string {
  return milliseconds < 1 ? "under 1 ms" : `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`;
}

async function send(url: string, body: unknown): Promise<Outcome> {
  let response: Response;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify(body),
    });
  } catch (error) {
    return { kind: "unreachable", detail: (error as Error).message };
  }
  const source = await response.text();
  let answer: unknown;
  try {
    answer = JSON.parse(source);
  } catch {
    answer = source;
  }
  if (!response.ok) {
    return { kind: "refused", status: response.status, detail: detailOf(answer) };
  }
  // Another service's endpoint (`try_it_out_url`) may answer with the bare result.
  const isOurs = typeof answer === "object" && answer !== null && "status" in answer;
  return {
    kind: "answer",
    answer: isOurs ? (answer as Answer) : { status: "ok", result: answer },
  };
}

function detailOf(answer: unknown): string {
  if (typeof answer === "object" && answer !== null) {
    const { detail, details } = answer as { detail?: unknown; details?: unknown };
    const given = detail ?? details ?? answer;
    return typeof given === "string" ? given : JSON.stringify(given, null, 2);
  }
  return String(answer).slice(0, 2000);
}
