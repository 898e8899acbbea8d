import type { MessageInterface } from "@asyncapi/parser";
import { isObject } from "./accepts";
import { writeJson } from "./json";
import { sample } from "./sample";

/** One payload of a message, with the headers that go with it. */
export interface Example {
  label: string;
  payload: string;
  headers: string;
  /** What a reader should know of a payload that was made of the schema; empty of a given one. */
  note: string;
}

const IS_GENERATED = "Made from the schema.";
const IS_CUT = "Made from the schema, and cut: optional parts of a large or recursive schema are left out.";
const IS_DOUBTFUL = "Made from the schema, which may not accept it.";
const IS_TOO_LARGE = "The smallest payload of this schema is too large to be made here.";

/** The examples that the message or its schema gives, or else one made of each alternative. */
export function examplesOf(message: MessageInterface): Example[] {
  const title = message.title() ?? message.name() ?? message.id() ?? "message";
  const schema: unknown = message.payload()?.json();
  const headers: unknown = message.headers()?.json();
  const given = message
    .examples()
    .all()
    .filter((example) => example.hasPayload())
    .map((example, index) => ({
      label: example.name() ?? example.summary() ?? `${title}, example ${index + 1}`,
      payload: writeJson(example.payload()),
      headers: example.hasHeaders() ? writeJson(example.headers()) : "",
      note: "",
    }));
  if (given.length) return given;
  const generatedHeaders = headers === undefined ? "" : made(headers).text;
  const samples = isObject(schema) && Array.isArray(schema.examples) ? schema.examples : [];
  if (samples.length) {
    return samples.map((payload, index) => ({
      label: `${title}, example ${index + 1}`,
      payload: writeJson(payload),
      headers: generatedHeaders,
      note: "",
    }));
  }
  if (schema === undefined) return [{ label: title, payload: "", headers: generatedHeaders, note: "" }];
  // One form for each alternative of a union: FastStream describes several handlers of one
  // channel with `oneOf`.
  const alternatives: unknown[] = isObject(schema) && Array.isArray(schema.oneOf) ? schema.oneOf : [schema];
  return alternatives.map((alternative, index) => {
    const { text, note } = made(alternative);
    const name = isObject(alternative) && typeof alternative.title === "string" ? alternative.title : title;
    const label = alternatives.length > 1 && name === title ? `${title}, ${index + 1}` : name;
    return { label, payload: text, headers: generatedHeaders, note };
  });
}

function made(schema: unknown): { text: string; note: string } {
  const { value, isCut, fits } = sample(schema);
  const note = fits ? (isCut ? IS_CUT : IS_GENERATED) : isCut ? IS_TOO_LARGE : IS_DOUBTFUL;
  return { text: writeJson(value), note };
}
