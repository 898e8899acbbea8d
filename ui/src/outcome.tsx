import type { ReactNode } from "react";
import { isObject } from "./accepts";
import { writeJson } from "./json";
import { JsonView } from "./json-view";
import type { Answer, Problem, Published, Report } from "./run";

type Tone = "good" | "bad" | "warn" | "plain";

/** What a run came to, in one sentence. */
export function sentenceOf(answer: Answer): { tone: Tone; sentence: string } {
  switch (answer.kind) {
    case "published":
      return { tone: "good", sentence: "Published to the real broker." };
    case "reply":
      return { tone: "good", sentence: "The service ran the handler and sent its reply." };
    case "failed":
      return { tone: "bad", sentence: answer.sentence };
    case "cancelled":
      return { tone: "plain", sentence: "Cancelled. The handler may have done a part of its work." };
    case "report":
      return ofReport(answer.report);
  }
}

// FastStream's exceptions by which a handler says what is to become of the message.
const REQUESTS: Record<string, string> = {
  AckMessage: "The handler acknowledged the message at once",
  NackMessage: "The handler asked for the message to be delivered again",
  RejectMessage: "The handler rejected the message",
  SkipMessage: "The handler skipped the message",
  StopConsume: "The handler asked to stop consuming",
};

function ofReport({ error, handled_error: handled, result }: Report): { tone: Tone; sentence: string } {
  if (error) return { tone: "bad", sentence: ofError(error) };
  if (handled) {
    const request = REQUESTS[handled.type];
    const sentence = request
      ? `${request} (${handled.type}).`
      : `The handler raised ${handled.type}, which a middleware handled.`;
    return { tone: "warn", sentence };
  }
  const isNothing = result === undefined || result === null;
  return {
    tone: "good",
    sentence: isNothing ? "The handler succeeded and returned nothing." : "The handler succeeded.",
  };
}

function ofError(error: Problem): string {
  if (error.stage === "timeout" || error.type === "TimeoutError") return error.message;
  if (error.stage === "message" || (error.stage === undefined && problemsOf(error).length)) {
    const count = problemsOf(error).length;
    const problems = count ? ` ${count} ${count === 1 ? "problem" : "problems"}.` : "";
    return `The message was refused before the handler ran.${problems}`;
  }
  return `The handler raised ${error.type}.`;
}

/** One thing that is wrong with a message. */
export interface PlacedProblem {
  /** Inside of the payload; undefined where the payload is not concerned. */
  path: (string | number)[] | undefined;
  /** As the handler knows it. */
  loc: (string | number)[];
  message: string;
}

/** The details of a validation error, each with its place. */
export function problemsOf(error: Problem | null | undefined): PlacedProblem[] {
  return (error?.details ?? []).filter(isObject).flatMap((detail) => {
    if (!Array.isArray(detail.loc) || typeof detail.msg !== "string") return [];
    const path = Array.isArray(detail.path) ? detail.path : undefined;
    return [{ loc: detail.loc, path, message: detail.msg } as PlacedProblem];
  });
}

/** What a run came to: a sentence, what the handler gave, and what it would have published. */
export function Outcome({ answer, isStale, others }: {
  answer: Answer;
  isStale: boolean;
  /** Problems that no field of the form shows. */
  others: PlacedProblem[];
}) {
  const { tone, sentence } = sentenceOf(answer);
  return (
    <div className={`try-result try-${tone}`}>
      <p className="try-sentence">
        <strong>{sentence}</strong>
        {answer.kind === "report" && factsOf(answer.report).map((fact) => <small key={fact}>{fact}</small>)}
      </p>
      {isStale && <p className="try-muted">The message above was edited since.</p>}
      {answer.kind === "published" && (
        <p className="try-muted">What its subscribers make of it is in their logs.</p>
      )}
      {answer.kind === "failed" && answer.detail && <pre tabIndex={0}>{answer.detail}</pre>}
      {answer.kind === "reply" && (
        <JsonView caption="Reply" copies="the reply" source={writeJson(answer.reply)} />
      )}
      {answer.kind === "report" && <Details report={answer.report} others={others} />}
    </div>
  );
}

function Details({ report, others }: { report: Report; others: PlacedProblem[] }) {
  const { error, handled_error: handled, result, notes = [] } = report;
  const problem = error ?? handled;
  const isInSentence = error?.stage === "timeout" || error?.type === "TimeoutError";
  const hasPlaces = problemsOf(problem).length > 0;
  const message = problem && !hasPlaces && !isInSentence ? problem.message : "";
  const more = (problem?.details ?? []).filter((each) => !isObject(each) || !Array.isArray(each.loc));
  return (
    <>
      {message && <pre tabIndex={0}>{message}</pre>}
      {others.length > 0 && (
        <ul className="try-problems">
          {others.map(({ loc, message: text }, index) => (
            <li key={index}>
              <code>{loc.join(" → ")}</code> {text}
            </li>
          ))}
        </ul>
      )}
      {more.length > 0 && <JsonView caption="Details" copies="the details" source={writeJson(more)} />}
      {!error && result !== undefined && result !== null && (
        <JsonView caption="Result" copies="the result" source={writeJson(result)} />
      )}
      <PublishedMessages published={report.published ?? []} isFailed={Boolean(error)} />
      {notes.map((note) => (
        <p key={note} className="try-muted">
          {note}
        </p>
      ))}
    </>
  );
}

function PublishedMessages({ published, isFailed }: { published: Published[]; isFailed: boolean }) {
  if (!published.length) {
    return isFailed ? null : <p className="try-muted">It would have published nothing.</p>;
  }
  const count = published.length === 1 ? "1 message" : `${published.length} messages`;
  return (
    <>
      <p className="try-heading">It would have published {count}:</p>
      <ol className="try-messages">
        {published.map((message, index) => (
          <li key={index}>
            <PublishedMessage message={message} />
          </li>
        ))}
      </ol>
    </>
  );
}

function PublishedMessage({ message }: { message: Published }): ReactNode {
  const { broker, channel, payload, headers = {}, correlation_id: correlationId } = message;
  return (
    <>
      <p>
        <code className="try-channel">{channel}</code>
        {broker && <span className="try-muted"> {broker}</span>}
      </p>
      <JsonView caption="Payload" copies={`the payload for ${channel}`} source={writeJson(payload)} />
      {Object.keys(headers).length > 0 && (
        <JsonView caption="Headers" copies={`the headers for ${channel}`} source={writeJson(headers)} />
      )}
      {correlationId && <p className="try-muted">Correlation id {correlationId}</p>}
    </>
  );
}

const ACKNOWLEDGEMENTS: Record<string, string> = {
  ack: "would be acknowledged",
  nack: "would be delivered again (nack)",
  reject: "would be rejected",
};

function factsOf({ acknowledgement, duration_ms: duration, handled_error: handled }: Report): string[] {
  const facts: string[] = [];
  // "The handler rejected the message" has said it already.
  const asked = handled && REQUESTS[handled.type] ? handled.type.toLowerCase() : "";
  const isSaid = acknowledgement && asked.startsWith(acknowledgement);
  if (acknowledgement && !isSaid) facts.push(ACKNOWLEDGEMENTS[acknowledgement] ?? acknowledgement);
  if (duration !== undefined) facts.push(durationOf(Number(duration)));
  return facts;
}

function durationOf(milliseconds: number): string {
  if (milliseconds < 1) return "under 1 ms";
  return milliseconds < 10 ? `${milliseconds.toFixed(1)} ms` : `${Math.round(milliseconds)} ms`;
}
