/**
 * JSON whose numbers stay as they were written.
 *
 * `JSON.parse` makes `9007199254740993` another number and `1.0` an integer. Here such a number is
 * an `Exact`, every other value what `JSON.parse` gives.
 */

/** A number that a JavaScript number would write differently. */
export class Exact {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }

  toString(): string {
    return this.source;
  }
}

/** Parse JSON. Throws a SyntaxError that says where, in words of its own. */
export function parseJson(source: string): unknown {
  try {
    const value: unknown = JSON.parse(source);
    return DIFFERS.test(source) ? new Reader(source).read() : value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return new Reader(source).read();
  }
}

// A cheap look at the whole: only where a number may be written differently, it is read exactly.
const DIFFERS = /\d{16}|\d\.\d*0(?![\d])|\d[eE]|-0|\d\.\d{15}/;

/** Write a value as indented JSON. */
export function writeJson(value: unknown, indent = "  ", start = ""): string {
  if (value instanceof Exact) return value.source;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const inner = start + indent;
  const gap = indent ? `\n${inner}` : "";
  const end = indent ? `\n${start}` : "";
  if (Array.isArray(value)) {
    if (!value.length) return "[]";
    return `[${gap}${value.map((item) => writeJson(item, indent, inner)).join(`,${gap}`)}${end}]`;
  }
  const members = Object.entries(value);
  if (!members.length) return "{}";
  const colon = indent ? ": " : ":";
  const written = members.map(
    ([name, item]) => `${JSON.stringify(name)}${colon}${writeJson(item, indent, inner)}`,
  );
  return `{${gap}${written.join(`,${gap}`)}${end}}`;
}

/** Where in a JSON text the value at a path is, or undefined. */
export function locate(
  source: string,
  path: readonly (string | number)[],
): [start: number, end: number] | undefined {
  const reader = new Reader(source, path);
  try {
    reader.read();
  } catch {
    return undefined;
  }
  return reader.found;
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\.)*"/y;
const SPACE = /[ \t\n\r]*/y;
const LITERALS: [string, unknown][] = [["true", true], ["false", false], ["null", null]];

class Reader {
  found: [number, number] | undefined;
  private at = 0;
  private readonly source: string;
  private readonly target: readonly (string | number)[] | undefined;

  constructor(source: string, target?: readonly (string | number)[]) {
    this.source = source;
    this.target = target;
  }

  read(): unknown {
    const value = this.value(0, true);
    this.space();
    if (this.at < this.source.length) this.fail("something follows the value");
    return value;
  }

  /** One value; `isOnPath` says that all keys up to here are the target's. */
  private value(depth: number, isOnPath: boolean): unknown {
    this.space();
    const start = this.at;
    const value = this.any(depth, isOnPath);
    if (isOnPath && depth === this.target?.length) this.found = [start, this.at];
    return value;
  }

  private any(depth: number, isOnPath: boolean): unknown {
    const next = this.source[this.at];
    if (next === "{") return this.object(depth, isOnPath);
    if (next === "[") return this.array(depth, isOnPath);
    if (next === '"') return this.string();
    for (const [word, value] of LITERALS) {
      if (this.source.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    const number = this.take(NUMBER);
    if (number === undefined) this.fail("a value is missing");
    return String(Number(number)) === number ? Number(number) : new Exact(number as string);
  }

  private object(depth: number, isOnPath: boolean): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    this.at += 1;
    if (this.ends("}")) return object;
    do {
      this.space();
      if (this.source[this.at] !== '"') this.fail("a name in quotation marks is missing");
      const name = this.string();
      this.space();
      if (this.source[this.at] !== ":") this.fail("a colon is missing");
      this.at += 1;
      const value = this.value(depth + 1, isOnPath && this.target?.[depth] === name);
      // Not by assignment, which `__proto__` would make another thing.
      Object.defineProperty(object, name, {
        value,
        configurable: true,
        enumerable: true,
        writable: true,
      });
    } while (this.hasMore("}"));
    return object;
  }

  private array(depth: number, isOnPath: boolean): unknown[] {
    const array: unknown[] = [];
    this.at += 1;
    if (this.ends("]")) return array;
    do {
      const isNext = isOnPath && this.target?.[depth] === array.length;
      array.push(this.value(depth + 1, isNext));
    } while (this.hasMore("]"));
    return array;
  }

  private string(): string {
    const start = this.at;
    const source = this.take(STRING);
    if (source !== undefined) {
      try {
        return JSON.parse(source) as string;
      } catch {
        this.at = start;
      }
    }
    return this.fail("a text does not end, or has a character that needs a backslash");
  }

  private ends(bracket: string): boolean {
    this.space();
    if (this.source[this.at] !== bracket) return false;
    this.at += 1;
    return true;
  }

  private hasMore(bracket: string): boolean {
    if (this.ends(bracket)) return false;
    if (this.source[this.at] !== ",") this.fail(`a comma or ${bracket} is missing`);
    this.at += 1;
    return true;
  }

  private space(): void {
    this.take(SPACE);
  }

  private take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.source)?.[0];
    if (match !== undefined) this.at += match.length;
    return match;
  }

  private fail(what: string): never {
    const before = this.source.slice(0, this.at).split("\n");
    const column = (before.at(-1)?.length ?? 0) + 1;
    throw new SyntaxError(`line ${before.length}, column ${column}: ${what}`);
  }
}
