/** A text that matches a regular expression, for the usual kinds of them. */

const MOST_REPEATS = 64;
const COMMON = "aA0-_ .@/";

/** A matching text of a length within the bounds, or undefined where none was found. */
export function textFor(
  pattern: string,
  shortest = 0,
  longest = Number.POSITIVE_INFINITY,
): string | undefined {
  const matches = toRegExp(pattern);
  if (!matches) return undefined;
  for (let repeats = 1; repeats <= MOST_REPEATS; repeats += 1) {
    let text: string;
    try {
      text = new Writer(pattern, repeats).write();
    } catch {
      return undefined;
    }
    if (text.length >= shortest && text.length <= longest && matches.test(text)) return text;
  }
  return undefined;
}

/** The expression, with Python's spellings replaced by those of JavaScript. */
export function toRegExp(pattern: string): RegExp | undefined {
  const source = pattern
    .replaceAll("(?P<", "(?<")
    .replaceAll("\\A", "^")
    .replaceAll(/\\[Zz]/g, "$");
  for (const flags of ["u", ""]) {
    try {
      return new RegExp(source, flags);
    } catch {
      // Escapes that mean nothing are errors with "u".
    }
  }
  return undefined;
}

class Writer {
  private at = 0;
  private readonly pattern: string;
  private readonly repeats: number;

  constructor(pattern: string, repeats: number) {
    this.pattern = pattern;
    this.repeats = repeats;
  }

  /** The first alternative, up to the end or the bracket that closes the group. */
  write(): string {
    let text = "";
    while (this.at < this.pattern.length && !"|)".includes(this.next)) text += this.repeated();
    while (this.at < this.pattern.length && this.next !== ")") {
      this.at += 1;
      while (this.at < this.pattern.length && !"|)".includes(this.next)) this.repeated();
    }
    return text;
  }

  private get next(): string {
    return this.pattern[this.at] ?? "";
  }

  private repeated(): string {
    const start = this.at;
    let text = this.atom();
    const end = this.at;
    const count = this.count();
    if (count === 0) return "";
    for (let made = 1; made < count; made += 1) {
      const after = this.at;
      this.at = start;
      text += this.atom();
      if (this.at !== end) throw new Error("unreadable");
      this.at = after;
    }
    return text;
  }

  private count(): number {
    const match = /^(?:[*+?]|\{(\d+)(,)?(\d*)\})[?+]?/.exec(this.pattern.slice(this.at));
    if (!match) return 1;
    this.at += match[0].length;
    const kind = match[0][0];
    if (kind === "?") return this.repeats > 1 ? 1 : 0;
    if (kind === "*") return this.repeats - 1;
    if (kind === "+") return this.repeats;
    const least = Number(match[1]);
    const most = match[3] ? Number(match[3]) : match[2] ? Number.POSITIVE_INFINITY : least;
    return Math.min(most, Math.max(least, this.repeats), least + MOST_REPEATS);
  }

  private atom(): string {
    const character = this.next;
    this.at += 1;
    if (character === "(") return this.group();
    if (character === "[") return this.set();
    if (character === "\\") return this.escape();
    if (character === "^" || character === "$") return "";
    return character === "." ? "a" : character;
  }

  private group(): string {
    const kind = /^\?(?:P?<\w+>|[:=!]|<[=!])/.exec(this.pattern.slice(this.at))?.[0] ?? "";
    this.at += kind.length;
    const text = this.write();
    this.at += 1;
    return /[=!]$/.test(kind) ? "" : text;
  }

  private escape(): string {
    const character = this.next;
    this.at += 1;
    if ("AZzbB".includes(character)) return "";
    return { d: "1", w: "a", s: " ", D: "a", W: "-", S: "a", n: "\n", t: "\t" }[character] ?? character;
  }

  private set(): string {
    const start = this.at;
    if (this.next === "^") this.at += 1;
    if (this.next === "]") this.at += 1;
    while (this.at < this.pattern.length && this.next !== "]") {
      this.at += this.next === "\\" ? 2 : 1;
    }
    const set = toRegExp(`[${this.pattern.slice(start, this.at)}]`);
    this.at += 1;
    for (let code = 0; set && code < 0x180; code += 1) {
      const character = COMMON[code] ?? String.fromCharCode(code + 0x21);
      if (set.test(character)) return character;
    }
    throw new Error("nothing fits");
  }
}
