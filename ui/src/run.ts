import { isObject } from "./accepts";
import type { TryItOutConfig } from "./config";
import { parseJson, writeJson } from "./json";

/** What a form sends. `payload` is JSON text, and goes into the request as it is. */
export interface Trial {
  channelName: string;
  operationId: string;
  operationType: string;
  payload: string;
  headers: Record<string, string>;
  address: string;
  toRealBroker: boolean;
}

export interface Problem {
  type: string;
  message: string;
  /** "message": it was refused before the handler ran; "handler": raised in it; "timeout". */
  stage?: string;
  details?: unknown[];
}

export interface Published {
  broker?: string;
  channel: string;
  payload: unknown;
  headers?: Record<string, unknown>;
  correlation_id?: string | null;
}

/** What one dry run did, as a service of this package tells it. */
export interface Report {
  status: "ok" | "error";
  result?: unknown;
  error?: Problem | null;
  handled_error?: Problem | null;
  acknowledgement?: string | null;
  published?: Published[];
  duration_ms?: unknown;
  real_broker?: boolean;
  notes?: string[];
}

export type Answer =
  | { kind: "report"; report: Report }
  /** Of a service that knows only the protocol of the community's plugin: the handler's reply. */
  | { kind: "reply"; reply: unknown }
  | { kind: "published" }
  | { kind: "failed"; sentence: string; detail: string }
  | { kind: "cancelled" };

const REPORT = "application/vnd.faststream.dry-run+json";
const MOST_CHARACTERS_OF_DETAIL = 2000;

/** The body of the request. */
export function bodyOf(trial: Trial): string {
  const members = [
    `"channelName":${JSON.stringify(trial.channelName)}`,
    `"message":{"operation_id":${JSON.stringify(trial.operationId)},` +
      `"operation_type":${JSON.stringify(trial.operationType)},"message":${trial.payload}}`,
    `"headers":${JSON.stringify(trial.headers)}`,
    ...(trial.address ? [`"address":${JSON.stringify(trial.address)}`] : []),
    `"options":{"sendToRealBroker":${trial.toRealBroker}}`,
  ];
  return `{${members.join(",")}}`;
}

/** The same request for a shell. */
export function curlOf(trial: Trial, config: TryItOutConfig): string {
  const headers = Object.entries(headersOf(config));
  const cookies = csrfCookies(config).map(([name, value]) => `${name}=${value}`);
  const parts = [
    `curl ${quoted(new URL(config.url, location.href).href)}`,
    ...headers.map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`),
    ...(cookies.length ? [`-b ${quoted(cookies.join("; "))}`] : []),
    `--data-raw ${quoted(bodyOf(trial))}`,
  ];
  return parts.join(" \\\n  ");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function headersOf(config: TryItOutConfig): Record<string, string> {
  const headers: Record<string, string> = {
    "Content-Type": "application/json",
    Accept: `${REPORT}, application/json;q=0.5`,
  };
  for (const [, value, header] of csrfCookies(config)) headers[header] = value;
  return headers;
}

/** The cookies that protect a host against forged requests; they are for the page's own host. */
function csrfCookies({ url, csrf }: TryItOutConfig): [cookie: string, value: string, header: string][] {
  if (new URL(url, location.href).origin !== location.origin) return [];
  const cookies = new Map(
    document.cookie.split("; ").map((pair) => {
      const at = pair.indexOf("=");
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
  return csrf.flatMap(([cookie, header]) => {
    const value = cookies.get(cookie);
    return value === undefined ? [] : [[cookie, value, header]];
  });
}

/** Send a message. Only an answer of the protocol is an answer; all else failed, and how. */
export async function send(trial: Trial, config: TryItOutConfig, signal: AbortSignal): Promise<Answer> {
  let response: Response;
  let source: string;
  try {
    response = await fetch(config.url, {
      method: "POST",
      headers: headersOf(config),
      body: bodyOf(trial),
      // What a redirect leads to, such as a form to sign in, is no answer.
      redirect: "manual",
      signal,
    });
    source = await response.text();
  } catch {
    if (signal.aborted) return { kind: "cancelled" };
    return failed("The service could not be reached. Is it still running?");
  }
  if (response.type === "opaqueredirect") {
    return failed(
      "The service redirected the request instead of answering it. If you have to sign in here, the " +
        "session may have ended: reload the page.",
    );
  }
  const mediaType = (response.headers.get("Content-Type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  let answer: unknown;
  let isJson = /^application\/(?:[\w.+-]+\+)?json$/.test(mediaType);
  try {
    if (isJson) answer = parseJson(source);
  } catch {
    isJson = false;
  }
  if (!response.ok) return refused(response, isJson ? answer : undefined, config);
  if (isReport(answer)) {
    const isReal = answer.real_broker ?? trial.toRealBroker;
    return isReal && answer.status === "ok" ? { kind: "published" } : { kind: "report", report: answer };
  }
  if (config.reports || !isJson) {
    return failed(
      "The answer is not one of Try It Out, so it is unknown whether a handler ran. A proxy, or a page " +
        "to sign in, may have answered instead.",
      isJson ? writeJson(answer) : "",
    );
  }
  return trial.toRealBroker ? { kind: "published" } : { kind: "reply", reply: answer };
}

function isReport(answer: unknown): answer is Report {
  return (
    isObject(answer) &&
    (answer.status === "ok" || answer.status === "error") &&
    (answer.status === "ok" || isProblem(answer.error)) &&
    (!answer.handled_error || isProblem(answer.handled_error)) &&
    Array.isArray(answer.published) &&
    answer.published.every((each) => isObject(each) && typeof each.channel === "string")
  );
}

function isProblem(value: unknown): boolean {
  return isObject(value) && typeof value.type === "string" && typeof value.message === "string";
}

const REFUSALS: Record<number, string> = {
  401: "You are not signed in.",
  403: "The service refuses the message.",
  404: "No subscriber serves this channel at that address.",
  413: "The message is too large.",
  429: "Too many runs at once. Try again in a moment.",
  501: "This subscriber cannot be dry-run.",
  502: "The broker did not take the message.",
};

function refused({ status }: Response, answer: unknown, config: TryItOutConfig): Answer {
  const detail = detailOf(answer);
  if (status === 500 && detail && !config.reports) {
    return failed("The handler failed, says the service.", detail);
  }
  const sentence = REFUSALS[status] ?? `The service refused the message with status ${status}.`;
  return failed(sentence, detail === sentence ? "" : detail);
}

function detailOf(answer: unknown): string {
  if (!isObject(answer)) return "";
  const given = answer.details ?? answer.detail ?? answer.message ?? answer;
  const text = typeof given === "string" ? given : writeJson(given);
  return text.slice(0, MOST_CHARACTERS_OF_DETAIL);
}

function failed(sentence: string, detail = ""): Answer {
  return { kind: "failed", sentence, detail };
}

/** Brokers carry text in headers: other values are sent as they are written. */
export function parseHeaders(source: string): Record<string, string> {
  if (!source.trim()) return {};
  const headers = parseJson(source);
  if (!isObject(headers)) throw new Error("");
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      typeof value === "string" ? value : writeJson(value, ""),
    ]),
  );
}
