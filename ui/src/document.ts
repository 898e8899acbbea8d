import { createAsyncAPIDocument } from "@asyncapi/parser/esm/document";
import type { AsyncAPIDocumentInterface } from "@asyncapi/parser";
import { Exact } from "./json";

type Json = null | boolean | number | string | Exact | Json[] | { [key: string]: Json };
type JsonObject = { [key: string]: Json };

const UNIQUE_ID = "x-parser-unique-object-id";
const SAFE_URL = /^(?:https?:\/\/|mailto:)/i;

/**
 * The component's document model of the JSON that the server sent.
 *
 * References become the object that they name, the same object each time: the component finds
 * circular schemas by comparing objects.
 */
export function toDocument(source: JsonObject): AsyncAPIDocumentInterface {
  const document = new Resolver(source).resolve();
  dropUnsafeLinks(document);
  name(document);
  document["x-parser-spec-parsed"] = true;
  document["x-parser-api-version"] = 1;
  const version = String(document.asyncapi);
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  return createAsyncAPIDocument({
    source: "",
    input: document,
    parsed: document,
    semver: { version, major, minor, patch },
  } as never);
}

function isObject(value: Json | undefined): value is JsonObject {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Exact)
  );
}

class Resolver {
  private readonly root: JsonObject;
  private readonly seen = new Set<Json>();
  private readonly merged = new Map<JsonObject, Json>();

  constructor(root: JsonObject) {
    this.root = root;
  }

  resolve(): JsonObject {
    const pending: [node: Json, isNamed: boolean][] = [[this.root, false]];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const [node, isNamed] = next;
      if (typeof node !== "object" || node === null || this.seen.has(node)) continue;
      this.seen.add(node);
      const holder = node as JsonObject;
      for (const key of Object.keys(holder)) {
        if (key === "__proto__" || (!isNamed && DATA.has(key))) continue;
        const value = this.follow(holder[key] as Json, 0);
        if (value instanceof Exact) {
          // The component calculates with numbers, and shows bounds as text.
          if (!BOUNDS.has(key)) holder[key] = Number(value.source);
          continue;
        }
        if (!isNamed && key === "externalDocs" && isObject(value) && !isSafe(value.url)) {
          delete holder[key];
          continue;
        }
        const isText = !isNamed && key === "description" && typeof value === "string";
        holder[key] = isText ? dedent(value) : value;
        pending.push([value, !isNamed && NAMED.has(key)]);
      }
    }
    return this.root;
  }

  private follow(value: Json, depth: number): Json {
    if (!isObject(value) || typeof value.$ref !== "string") return value;
    const known = this.merged.get(value);
    if (known !== undefined) return known;
    const target = depth < 32 ? this.follow(this.find(value.$ref), depth + 1) : {};
    const { $ref: _, ...siblings } = value;
    // FastStream writes an empty "properties" beside some references: it says nothing.
    if (isObject(siblings.properties) && Object.keys(siblings.properties).length === 0) {
      delete siblings.properties;
    }
    const result =
      Object.keys(siblings).length && isObject(target) ? { ...target, ...siblings } : target;
    this.merged.set(value, result);
    return result;
  }

  private find(reference: string): Json {
    let node: Json | undefined = reference.startsWith("#") ? this.root : undefined;
    for (const part of reference.split("/").slice(1)) {
      const key = decode(part).replaceAll("~1", "/").replaceAll("~0", "~");
      const holder: Json | undefined = node;
      node =
        typeof holder === "object" && holder !== null && Object.hasOwn(holder, key)
          ? (holder as JsonObject)[key]
          : undefined;
    }
    return node ?? { description: `Unresolved reference: ${reference}` };
  }
}

// Values of the application, not of the specification: a "$ref" in them is data.
const DATA = new Set(["examples", "example", "default", "const", "enum"]);
const BOUNDS = new Set([
  "exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf",
]);
// Below these, keys are names that the application chose ("default" may be a field).
const NAMED = new Set([
  "$defs", "channels", "definitions", "messages", "operations", "parameters",
  "patternProperties", "properties", "schemas", "securitySchemes", "servers", "variables",
]);

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** A docstring without the indentation of its code, which Markdown would take for a listing. */
function dedent(text: string): string {
  const [first = "", ...rest] = text.replaceAll("\t", "    ").split("\n");
  const indents = rest.filter((line) => line.trim()).map((line) => line.search(/\S/));
  const indent = indents.length ? Math.min(...indents) : 0;
  return [first.trimStart(), ...rest.map((line) => line.slice(indent))].join("\n").trim();
}

/** Links that the component would put into `href` or `src` as they are. */
function dropUnsafeLinks(document: JsonObject): void {
  const info = document.info;
  if (!isObject(info)) return;
  if (!isSafe(info.termsOfService)) delete info.termsOfService;
  if (isObject(info.contact) && !isSafe(info.contact.url)) delete info.contact.url;
  if (isObject(info.license) && !isSafe(info.license.url)) delete info.license.url;
  // The page loads no image from another host.
  delete info["x-logo"];
}

function isSafe(url: Json | undefined): boolean {
  return typeof url === "string" && SAFE_URL.test(url);
}

/** What the parser adds so that models know their own names. */
function name(document: JsonObject): void {
  const channels = entries(document.channels);
  if (String(document.asyncapi).startsWith("2.")) {
    for (const [id, channel] of channels) {
      for (const action of ["publish", "subscribe"]) {
        const operation = channel[action];
        // Without one, the anchors of all operations are the same.
        if (isObject(operation)) operation.operationId ??= `${id}:${action}`;
      }
    }
    const components = document.components;
    if (isObject(components)) {
      for (const [id, message] of entries(components.messages)) {
        message["x-parser-message-name"] ??= id;
      }
    }
    return;
  }
  for (const [id, channel] of channels) {
    channel[UNIQUE_ID] ??= id;
    for (const [messageId, message] of entries(channel.messages)) message[UNIQUE_ID] ??= messageId;
  }
  for (const [id, operation] of entries(document.operations)) operation[UNIQUE_ID] ??= id;
  const components = document.components;
  if (isObject(components)) {
    for (const [id, message] of entries(components.messages)) message[UNIQUE_ID] ??= id;
  }
}

function entries(value: Json | undefined): [string, JsonObject][] {
  return isObject(value)
    ? Object.entries(value).filter((entry): entry is [string, JsonObject] => isObject(entry[1]))
    : [];
}
