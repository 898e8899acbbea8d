import { Exact } from "./json";
import { toRegExp } from "./pattern";

export type Schema = boolean | { [keyword: string]: unknown };

type Values = Record<string, unknown>;

/** Whether a value is what a JSON Schema describes; formats are not looked at. */
export function accepts(schema: unknown, value: unknown): boolean {
  if (typeof schema === "boolean") return schema;
  if (!isObject(schema)) return true;
  const all = (list: unknown, test: (each: unknown, index: number) => boolean) =>
    !Array.isArray(list) || list.every(test);
  return (
    fitsType(schema.type, value) &&
    (schema.const === undefined || isSame(schema.const, value)) &&
    (!Array.isArray(schema.enum) || schema.enum.some((each) => isSame(each, value))) &&
    all(schema.allOf, (each) => accepts(each, value)) &&
    (!Array.isArray(schema.anyOf) || schema.anyOf.some((each) => accepts(each, value))) &&
    (!Array.isArray(schema.oneOf) || schema.oneOf.filter((e) => accepts(e, value)).length === 1) &&
    (schema.not === undefined || !accepts(schema.not, value)) &&
    (schema.if === undefined ||
      accepts((accepts(schema.if, value) ? schema.then : schema.else) ?? true, value)) &&
    (!isNumber(value) || fitsNumber(schema, value)) &&
    (typeof value !== "string" || fitsString(schema, value)) &&
    (!Array.isArray(value) || fitsArray(schema, value)) &&
    (!isObject(value) || fitsObject(schema, value))
  );
}

export function isObject(value: unknown): value is Values {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Exact)
  );
}

export function isNumber(value: unknown): value is number | Exact {
  return typeof value === "number" || value instanceof Exact;
}

function isInteger(value: unknown): boolean {
  return Number.isInteger(value) || (value instanceof Exact && Number.isInteger(Number(value)));
}

function fitsType(type: unknown, value: unknown): boolean {
  if (type === undefined) return true;
  if (Array.isArray(type)) return type.some((each) => fitsType(each, value));
  if (type === "null") return value === null;
  if (type === "array") return Array.isArray(value);
  if (type === "object") return isObject(value);
  if (type === "integer") return isInteger(value);
  if (type === "number") return isNumber(value);
  return typeof value === type;
}

function fitsNumber(schema: Values, number: number | Exact): boolean {
  const value = Number(number);
  const limit = (keyword: string, fits: (bound: number) => boolean) =>
    !isNumber(schema[keyword]) || fits(Number(schema[keyword]));
  return (
    limit("minimum", (bound) => value >= bound) &&
    limit("maximum", (bound) => value <= bound) &&
    limit("exclusiveMinimum", (bound) => value > bound || isBeyond(number, bound, 1)) &&
    limit("exclusiveMaximum", (bound) => value < bound || isBeyond(number, bound, -1)) &&
    limit("multipleOf", (step) => Math.abs(value / step - Math.round(value / step)) < 1e-9)
  );
}

/** Of an integer that only its text holds exactly. */
function isBeyond(number: number | Exact, bound: number, direction: 1 | -1): boolean {
  if (!(number instanceof Exact) || !/^-?\d+$/.test(number.source) || !Number.isInteger(bound)) {
    return false;
  }
  const difference = BigInt(number.source) - BigInt(bound);
  return direction === 1 ? difference > 0n : difference < 0n;
}

function fitsString(schema: Values, value: string): boolean {
  const length = [...value].length;
  return (
    (!isNumber(schema.minLength) || length >= Number(schema.minLength)) &&
    (!isNumber(schema.maxLength) || length <= Number(schema.maxLength)) &&
    (typeof schema.pattern !== "string" || (toRegExp(schema.pattern)?.test(value) ?? true))
  );
}

function fitsArray(schema: Values, value: unknown[]): boolean {
  const first = firstItems(schema);
  const rest = restItems(schema);
  return (
    (!isNumber(schema.minItems) || value.length >= Number(schema.minItems)) &&
    (!isNumber(schema.maxItems) || value.length <= Number(schema.maxItems)) &&
    value.every((item, index) => accepts(first[index] ?? rest ?? true, item)) &&
    (schema.uniqueItems !== true ||
      value.every((item, index) => !value.slice(0, index).some((other) => isSame(other, item)))) &&
    (schema.contains === undefined || value.some((item) => accepts(schema.contains, item)))
  );
}

/** The schemas of an array's first items; before 2020-12 they stand in `items`. */
export function firstItems(schema: Values): unknown[] {
  const first = schema.prefixItems ?? schema.items;
  return Array.isArray(first) ? first : [];
}

/** The schema of an array's further items. */
export function restItems(schema: Values): unknown {
  return Array.isArray(schema.items) ? schema.additionalItems : schema.items;
}

function fitsObject(schema: Values, value: Values): boolean {
  const names = Object.keys(value);
  const properties = isObject(schema.properties) ? schema.properties : {};
  const patterns = isObject(schema.patternProperties) ? Object.entries(schema.patternProperties) : [];
  return (
    (!Array.isArray(schema.required) ||
      schema.required.every((name) => Object.hasOwn(value, name as string))) &&
    (!isNumber(schema.minProperties) || names.length >= Number(schema.minProperties)) &&
    (!isNumber(schema.maxProperties) || names.length <= Number(schema.maxProperties)) &&
    names.every((name) => {
      if (schema.propertyNames !== undefined && !accepts(schema.propertyNames, name)) return false;
      const fitting = patterns.filter(([pattern]) => toRegExp(pattern)?.test(name));
      if (!fitting.every(([, each]) => accepts(each, value[name]))) return false;
      if (Object.hasOwn(properties, name)) return accepts(properties[name], value[name]);
      return fitting.length > 0 || accepts(schema.additionalProperties ?? true, value[name]);
    })
  );
}

function isSame(one: unknown, other: unknown): boolean {
  if (isNumber(one) && isNumber(other)) return String(one) === String(other) || Number(one) === Number(other);
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((item, index) => isSame(item, other[index]));
  }
  if (!isObject(one) || !isObject(other)) return one === other;
  const names = Object.keys(one);
  return (
    names.length === Object.keys(other).length &&
    names.every((name) => Object.hasOwn(other, name) && isSame(one[name], other[name]))
  );
}
