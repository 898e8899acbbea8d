import { accepts, firstItems, isNumber, isObject, restItems } from "./accepts";
import { textFor } from "./pattern";
import { scalar } from "./scalars";

/** A payload made of a schema. */
export interface Sample {
  value: unknown;
  /** Parts that may be left out were, because there is more than a reader could use. */
  isCut: boolean;
  /** The schema accepts it. Where it has to be larger than the budget, it is `null` and does not. */
  fits: boolean;
}

const MOST_VALUES = 250;
const DEEPEST = 5;

type Keywords = Record<string, unknown>;

const samples = new WeakMap<object, Sample>();

/** Make a payload that the schema accepts, of no more values than a reader could use. */
export function sample(schema: unknown): Sample {
  if (!isObject(schema)) return { value: null, isCut: false, fits: schema !== false };
  let known = samples.get(schema);
  if (known === undefined) {
    known = make(schema);
    samples.set(schema, known);
  }
  return known;
}

function make(schema: Keywords): Sample {
  try {
    if (weigh(schema) > MOST_VALUES) return { value: null, isCut: true, fits: false };
    const maker = new Maker();
    const { value } = maker.make(schema, 0, MOST_VALUES, 0);
    return { value, isCut: maker.isCut, fits: accepts(schema, value) };
  } catch (error) {
    // A schema that is itself without anything between, which no value fits.
    if (!(error instanceof RangeError)) throw error;
    return { value: null, isCut: true, fits: false };
  }
}

interface Made {
  value: unknown;
  used: number;
}

class Maker {
  isCut = false;

  /**
   * A value of at most `budget` values, or of as few as the schema asks for.
   *
   * `number` tells the values apart of which several stand beside each other.
   */
  make(schema: unknown, depth: number, budget: number, number: number): Made {
    if (!isObject(schema)) return { value: {}, used: 1 };
    const given = givenValue(schema, number);
    if (given) return { value: given.value, used: count(given.value) };
    const choices = alternatives(schema);
    if (choices) return this.choose(schema, choices, depth, budget, number);
    const type = typeOf(schema);
    if (type === "object") return this.object(schema, depth, budget);
    if (type === "array") return this.array(schema, depth, budget);
    return { value: scalar(schema, type, number), used: 1 };
  }

  private choose(
    schema: Keywords,
    choices: Keywords[],
    depth: number,
    budget: number,
    number: number,
  ): Made {
    const affordable = choices.filter((each) => weigh(each) <= budget);
    const lightest = choices.reduce((a, b) => (weigh(b) < weigh(a) ? b : a));
    // Deep down the shortest way out, and a value before its absence.
    const ordered =
      depth >= DEEPEST || !affordable.length
        ? [lightest]
        : [...affordable.filter((e) => typeOf(e) !== "null"), ...affordable];
    let first: Made | undefined;
    for (const choice of ordered) {
      const made = this.make(choice, depth, budget, number);
      if (accepts(schema, made.value)) return made;
      first ??= made;
    }
    return first as Made;
  }

  private object(schema: Keywords, depth: number, budget: number): Made {
    const properties = isObject(schema.properties) ? schema.properties : {};
    const required = new Set(requiredNames(schema));
    const value: Keywords = {};
    let used = weigh(schema);
    const add = (name: string, each: unknown, least: number, most: number) => {
      const made = this.make(each, depth + 1, most, 0);
      Object.defineProperty(value, name, {
        value: made.value,
        configurable: true,
        enumerable: true,
        writable: true,
      });
      used += made.used - least;
    };
    for (const [name, each] of Object.entries(properties)) {
      const spare = Math.max(0, budget - used);
      if (required.has(name)) {
        required.delete(name);
        const least = weigh(each);
        add(name, each, least, least + Math.ceil(spare / 2));
      } else if (depth < DEEPEST && weigh(each) <= spare) {
        if (each !== false) add(name, each, 0, Math.max(weigh(each), Math.ceil(spare / 2)));
      } else {
        this.isCut = true;
      }
    }
    const others = schema.additionalProperties;
    for (const name of required) add(name, others ?? {}, 1, 1);
    const least = Number(schema.minProperties ?? 0);
    const isMap = isObject(others) && Object.keys(properties).length === 0;
    const wanted = isMap && depth < DEEPEST && weigh(others) < budget - used ? Math.max(1, least) : least;
    for (let made = 1; Object.keys(value).length < wanted && made <= MOST_VALUES; made += 1) {
      add(propertyName(schema, made), patternSchema(schema) ?? others ?? {}, 0, budget - used);
    }
    return { value, used };
  }

  private array(schema: Keywords, depth: number, budget: number): Made {
    const first = firstItems(schema);
    const rest = restItems(schema);
    const least = Number(schema.minItems ?? 0);
    const most = Number(schema.maxItems ?? Number.POSITIVE_INFINITY);
    const value: unknown[] = [];
    let used = weigh(schema);
    const item = (index: number) => (index < first.length ? first[index] : (schema.contains ?? rest));
    for (let index = 0; index < least; index += 1) {
      const lightest = weigh(item(index));
      const spare = Math.max(0, budget - used);
      const made = this.make(item(index), depth + 1, lightest + Math.ceil(spare / 2), index);
      value.push(made.value);
      used += made.used - lightest;
    }
    const wanted = Math.min(Math.max(first.length, rest === undefined || rest === false ? 0 : 1), most);
    while (value.length < wanted) {
      const next = item(value.length);
      const spare = budget - used;
      if (depth >= DEEPEST || weigh(next) > spare) {
        this.isCut = true;
        break;
      }
      const made = this.make(next, depth + 1, Math.max(weigh(next), Math.ceil(spare / 2)), value.length);
      value.push(made.value);
      used += made.used;
    }
    return { value, used };
  }
}

// --- How many values the smallest payload has -------------------------------------------------

const weights = new WeakMap<object, number>();

/** How many values the smallest payload of a schema has; infinity where none is finite. */
function weigh(schema: unknown): number {
  if (!isObject(schema)) return schema === false ? Number.POSITIVE_INFINITY : 1;
  if (!weights.has(schema)) settle(schema);
  return weights.get(schema) ?? 1;
}

/** The least fixed point over all schemas that this one refers to, itself perhaps among them. */
function settle(root: Keywords): void {
  const reached = new Set<Keywords>();
  const pending = [root];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (reached.has(next) || weights.has(next)) continue;
    reached.add(next);
    weights.set(next, Number.POSITIVE_INFINITY);
    for (const part of parts(next)) if (isObject(part)) pending.push(part);
  }
  for (let changed = true; changed; ) {
    changed = false;
    for (const schema of reached) {
      const weight = weightOf(schema);
      if (weight < (weights.get(schema) ?? 0)) {
        weights.set(schema, weight);
        changed = true;
      }
    }
  }
}

function parts(schema: Keywords): unknown[] {
  return [
    ...(alternatives(schema) ?? []),
    ...Object.values(isObject(schema.properties) ? schema.properties : {}),
    ...firstItems(schema),
    restItems(schema),
    schema.contains,
    schema.additionalProperties,
    patternSchema(schema),
  ];
}

function weightOf(schema: Keywords): number {
  const given = givenValue(schema, 0);
  if (given) return count(given.value);
  const choices = alternatives(schema);
  if (choices) return Math.min(...choices.map(known));
  const type = typeOf(schema);
  if (type === "object") {
    const properties = isObject(schema.properties) ? schema.properties : {};
    return requiredNames(schema).reduce((sum, name) => sum + known(properties[name] ?? true), 1);
  }
  if (type !== "array") return 1;
  const first = firstItems(schema);
  const least = Math.min(Number(schema.minItems ?? 0), MOST_VALUES + 1);
  let weight = 1;
  for (let index = 0; index < least; index += 1) weight += known(first[index] ?? restItems(schema));
  return weight;
}

function known(schema: unknown): number {
  return isObject(schema) ? (weights.get(schema) ?? 1) : weigh(schema);
}

function count(value: unknown): number {
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + count(item), 1);
  return isObject(value) ? Object.values(value).reduce((s: number, v) => s + count(v), 1) : 1;
}

// --- The parts of a schema --------------------------------------------------------------------

const choicesOf = new WeakMap<object, Keywords[] | null>();

/** What a schema with `anyOf`, `oneOf` or `allOf` may be, each with the rest of the schema. */
function alternatives(schema: Keywords): Keywords[] | null {
  let known = choicesOf.get(schema);
  if (known === undefined) {
    known = combine(schema);
    choicesOf.set(schema, known);
  }
  return known;
}

function combine(schema: Keywords): Keywords[] | null {
  const { allOf, anyOf, oneOf, ...base } = schema;
  if (Array.isArray(allOf)) return [allOf.reduce(merge, anyOf || oneOf ? { ...base, anyOf, oneOf } : base)];
  const choices = Array.isArray(oneOf) ? oneOf : anyOf;
  if (!Array.isArray(choices) || !choices.length) return null;
  const { title: _, description: __, default: ___, ...shared } = base;
  if (Object.keys(shared).some((keyword) => !keyword.startsWith("x-") && keyword !== "discriminator")) {
    return choices.map((each) => merge(shared, each));
  }
  // As they are: a choice may be the schema itself again, and is known by its identity.
  return choices.map((each) => (isObject(each) ? each : {}));
}

function merge(one: Keywords, other: unknown): Keywords {
  if (!isObject(other)) return one;
  const merged: Keywords = { ...one, ...other };
  if (isObject(one.properties) && isObject(other.properties)) {
    merged.properties = { ...one.properties, ...other.properties };
  }
  const required = [...requiredNames(one), ...requiredNames(other)];
  if (required.length) merged.required = [...new Set(required)];
  return merged;
}

function requiredNames(schema: Keywords): string[] {
  return Array.isArray(schema.required) ? (schema.required as string[]) : [];
}

function typeOf(schema: Keywords): string {
  const type = Array.isArray(schema.type)
    ? (schema.type.find((each) => each !== "null") ?? "null")
    : schema.type;
  if (typeof type === "string") return type;
  if (schema.properties || schema.required || schema.additionalProperties) return "object";
  if (schema.items || schema.prefixItems) return "array";
  if (schema.pattern || schema.format || schema.minLength || schema.maxLength) return "string";
  return isNumber(schema.minimum ?? schema.maximum ?? schema.multipleOf) ? "number" : "any";
}

function patternSchema(schema: Keywords): unknown {
  return isObject(schema.patternProperties) ? Object.values(schema.patternProperties)[0] : undefined;
}

function propertyName(schema: Keywords, number: number): string {
  const suffix = number === 1 ? "" : String(number);
  const names = isObject(schema.propertyNames) ? schema.propertyNames : {};
  const pattern = isObject(schema.patternProperties) ? Object.keys(schema.patternProperties)[0] : undefined;
  const given = Array.isArray(names.enum) ? names.enum[number - 1] : undefined;
  if (typeof given === "string") return given;
  const made = pattern === undefined ? scalar(names, "string", number - 1) : textFor(pattern);
  return made === "string" || made === undefined ? `key${suffix}` : `${String(made)}`;
}

/** What the author of the schema gave, where the schema accepts it. */
function givenValue(schema: Keywords, number: number): { value: unknown } | undefined {
  if (schema.const !== undefined) return { value: schema.const };
  const examples = Array.isArray(schema.examples) ? schema.examples : [];
  const candidates = [...examples.slice(number % (examples.length || 1)), schema.example, schema.default];
  for (const value of candidates) {
    if (value !== undefined && accepts(schema, value)) return { value };
  }
  if (!Array.isArray(schema.enum) || !schema.enum.length) return undefined;
  return { value: schema.enum[number % schema.enum.length] };
}
