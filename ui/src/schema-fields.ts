import { firstItems, isNumber, isObject, restItems } from "./accepts";
import { writeJson } from "./json";

/** One row of a schema's tree. */
export interface Field {
  label: import("react").ReactNode;
  json: unknown;
  isRequired: boolean;
}

type Keywords = Record<string, unknown>;

const RAW_VALUE = "x-schema-private-raw-value";
const OWN_EXTENSION = /^x-(?:parser|schema-private)-/;

/** A value of a binding or an extension, which the component writes as a schema. */
export function isRawValue(json: unknown): json is { const: unknown } {
  return isObject(json) && json[RAW_VALUE] === true;
}

/** The fields below a schema; those of its only alternative or of its items stand for it. */
export function fieldsOf(json: unknown, ancestors: readonly unknown[]): Field[] {
  if (!isObject(json) || isRawValue(json)) return [];
  const fields: Field[] = [];
  const add = (label: string, each: unknown, isRequired = false) => {
    if (each !== undefined) fields.push({ label, json: each, isRequired });
  };
  const required = Array.isArray(json.required) ? json.required : [];
  for (const [name, each] of entries(json.properties)) {
    if (!OWN_EXTENSION.test(name)) add(name, each, required.includes(name));
  }
  for (const [pattern, each] of entries(json.patternProperties)) add(`names like ${pattern}`, each);
  if (isObject(json.additionalProperties)) add("any other name", json.additionalProperties);
  const first = firstItems(json);
  first.forEach((each, index) => add(`item ${index + 1}`, each));
  const rest = restItems(json);
  if (isObject(rest)) {
    const isPlain = first.length === 0 && !ancestors.includes(rest);
    if (isPlain && leaf(rest)) fields.push(...fieldsOf(rest, [...ancestors, json, rest]));
    else add(first.length ? "further items" : "each item", rest);
  }
  const choices = alternatives(json);
  const real = choices.filter((each) => !isNull(each));
  if (real.length === 1) {
    const [only] = real;
    if (!ancestors.includes(only)) fields.push(...fieldsOf(only, [...ancestors, json, only]));
    else add("value", only);
  } else if (real.some(says)) {
    real.forEach((each, index) => add(nameOf(each) ?? `option ${index + 1}`, each));
  }
  for (const each of list(json.allOf)) {
    if (!ancestors.includes(each)) fields.push(...fieldsOf(each, [...ancestors, json, each]));
  }
  for (const keyword of ["contains", "propertyNames", "not", "if", "then", "else"]) {
    if (isObject(json[keyword])) add(keyword, json[keyword]);
  }
  return fields;
}

/** Whether a schema says more than its type, which stands beside the name already. */
function says(json: unknown): boolean {
  return isObject(json) && Boolean(json.properties || json.items || json.prefixItems || factsOf(json).length);
}

/** Whether the fields of an array's items can stand for the array: they are one object's. */
function leaf(items: Keywords): boolean {
  return items.type !== "array" && alternatives(items).length < 2;
}

/** A schema's type in a few words. */
export function typeOf(json: unknown, depth = 0): string {
  if (json === true) return "any";
  if (json === false) return "never";
  if (!isObject(json) || Object.keys(json).length === 0 || depth > 3) return "any";
  const choices = alternatives(json);
  if (choices.length) {
    const names = [...new Set(choices.map((each) => typeOf(each, depth + 1)))];
    return names.length > 4 ? `one of ${choices.length}` : names.join(" | ");
  }
  if (Array.isArray(json.allOf) && json.type === undefined) {
    return nameOf(json) ?? json.allOf.map((each) => typeOf(each, depth + 1)).join(" & ");
  }
  const { type } = json;
  if (Array.isArray(type)) return type.join(" | ");
  if (type === "array" || json.items !== undefined || json.prefixItems !== undefined) {
    const first = firstItems(json);
    if (first.length) return `tuple of ${first.map((each) => typeOf(each, depth + 1)).join(", ")}`;
    const items = typeOf(restItems(json) ?? true, depth + 1);
    return `array of ${items.includes(" | ") ? `(${items})` : items}`;
  }
  if (type === "object" || json.properties !== undefined) {
    if (json.properties === undefined && isObject(json.additionalProperties)) {
      return `map of ${typeOf(json.additionalProperties, depth + 1)}`;
    }
    return (json.properties ? nameOf(json) : undefined) ?? "object";
  }
  if (typeof type === "string") {
    return typeof json.format === "string" ? `${type}, ${json.format}` : type;
  }
  if (json.const !== undefined) return typeof json.const === "object" ? "constant" : typeof json.const;
  return Array.isArray(json.enum) ? "enum" : "any";
}

/** What a schema says about its values, beside their type. */
export function factsOf(json: unknown): [term: string, value: string][] {
  if (!isObject(json) || isRawValue(json)) return [];
  const facts: [string, string][] = [];
  const add = (term: string, value: unknown) => {
    if (value !== undefined) facts.push([term, typeof value === "string" ? value : writeJson(value, "")]);
  };
  if (json.const !== undefined) add("is", writeJson(json.const, ""));
  if (Array.isArray(json.enum)) add("one of", json.enum.map((each) => writeJson(each, "")).join(", "));
  if (json.default !== undefined) add("default", writeJson(json.default, ""));
  add("value", range(json, "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"));
  if (isNumber(json.multipleOf)) add("multiple of", String(json.multipleOf));
  add("length", range(json, "minLength", "maxLength"));
  add("items", range(json, "minItems", "maxItems"));
  add("names", range(json, "minProperties", "maxProperties"));
  if (json.uniqueItems === true) add("items", "unique");
  if (json.additionalProperties === false) add("other names", "not allowed");
  add("pattern", json.pattern);
  add("media type", json.contentMediaType);
  add("encoding", json.contentEncoding);
  if (Array.isArray(json.examples)) {
    add("for example", json.examples.map((each) => writeJson(each, "")).join(", "));
  }
  for (const [name, value] of Object.entries(json)) {
    if (name.startsWith("x-") && !OWN_EXTENSION.test(name)) add(name, value);
  }
  return facts;
}

function range(json: Keywords, low: string, high: string, above = "", below = ""): string | undefined {
  const bound = (sign: string, keyword: string) =>
    isNumber(json[keyword]) ? `${sign} ${String(json[keyword])}` : "";
  const parts = [bound("≥", low), bound(">", above), bound("≤", high), bound("<", below)].filter(Boolean);
  return parts.length ? parts.join(" and ") : undefined;
}

function alternatives(json: Keywords): unknown[] {
  return [...list(json.oneOf), ...list(json.anyOf)];
}

function isNull(json: unknown): boolean {
  return isObject(json) && json.type === "null";
}

function nameOf(json: unknown): string | undefined {
  return isObject(json) && typeof json.title === "string" ? json.title : undefined;
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function entries(value: unknown): [string, unknown][] {
  return isObject(value) ? Object.entries(value) : [];
}
