import { accepts, isNumber } from "./accepts";
import { Exact } from "./json";
import { textFor } from "./pattern";

type Keywords = Record<string, unknown>;

/**
 * A text, a number, a boolean or null that a schema accepts.
 *
 * `number` tells the values apart of which several stand beside each other.
 */
export function scalar(schema: Keywords, type: string, number: number): unknown {
  if (type === "string") return text(schema, number);
  if (type === "integer" || type === "number") return numeric(schema, type === "integer", number);
  if (type === "boolean") return number % 2 === 0;
  return type === "null" ? null : {};
}

const FORMATS: Record<string, string> = {
  "date-time": "2026-01-31T12:00:00Z",
  "directory-path": "/tmp",
  "file-path": "/etc/hosts",
  "idn-email": "user@example.com",
  "json-pointer": "/items/0",
  "json-string": "{}",
  "multi-host-uri": "https://example.com/",
  "uri-reference": "/path",
  base64: "dGV4dA==",
  base64url: "dGV4dA==",
  binary: "text",
  byte: "dGV4dA==",
  date: "2026-01-31",
  duration: "PT1H",
  email: "user@example.com",
  hostname: "example.com",
  ipv4: "192.0.2.1",
  ipv4interface: "192.0.2.1/24",
  ipv4network: "192.0.2.0/24",
  ipv6: "2001:db8::1",
  ipv6interface: "2001:db8::1/64",
  ipv6network: "2001:db8::/64",
  ipvanyaddress: "192.0.2.1",
  ipvanyinterface: "192.0.2.1/24",
  ipvanynetwork: "192.0.2.0/24",
  password: "password",
  path: "/path",
  time: "12:00:00Z",
  uri: "https://example.com/",
  url: "https://example.com/",
  uuid: "3fa85f64-5717-4562-b3fc-2c963f66afa6",
  uuid1: "c2b7b3c4-3d5e-11ef-9a5b-0242ac120002",
  uuid3: "6fa459ea-ee8a-3ca4-894e-db77e160355e",
  uuid4: "3fa85f64-5717-4562-b3fc-2c963f66afa6",
  uuid5: "886313e1-3b8a-5372-9b90-0c9aee199e5d",
};

function text(schema: Keywords, number: number): string {
  const shortest = Number(schema.minLength ?? 0);
  const longest = Number(schema.maxLength ?? Number.POSITIVE_INFINITY);
  const format = typeof schema.format === "string" ? FORMATS[schema.format] : undefined;
  if (format !== undefined && accepts(schema, format)) {
    return number > 0 && schema.format?.toString().startsWith("uuid")
      ? `${(number % 16 ** 6).toString(16).padStart(6, "0")}${format.slice(6)}`
      : format;
  }
  if (typeof schema.pattern === "string") {
    const matching = textFor(schema.pattern, shortest, longest);
    if (matching !== undefined) return matching;
  }
  const word = number > 0 && schema.title === undefined ? `string${number}` : "string";
  return word.padEnd(Math.min(shortest, 10_000), "string").slice(0, longest);
}

function numeric(schema: Keywords, isWhole: boolean, number: number): unknown {
  const bounds = ["minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"] as const;
  const [low, above, high, below] = bounds.map((k) => (isNumber(schema[k]) ? Number(schema[k]) : undefined));
  const least = Math.max(low ?? Number.NEGATIVE_INFINITY, above ?? Number.NEGATIVE_INFINITY);
  const most = Math.min(high ?? Number.POSITIVE_INFINITY, below ?? Number.POSITIVE_INFINITY);
  const step = isNumber(schema.multipleOf) ? Number(schema.multipleOf) : undefined;
  const candidates: unknown[] = isWhole ? [1 + number, 0, -1] : [1.5 + number, 1, 0, -1.5];
  for (const bound of [least, most]) {
    if (!Number.isFinite(bound)) continue;
    const grid = step ?? 1;
    const near = [Math.ceil(bound / grid) * grid, Math.floor(bound / grid) * grid];
    candidates.push(...near.flatMap((each) => [each + number * grid, each, each + grid, each - grid]), bound);
    if (!isWhole) candidates.push(bound + 0.5, bound - 0.5);
  }
  if (step !== undefined) candidates.unshift(step * (1 + number));
  if (Number.isFinite(least) && Number.isFinite(most)) candidates.push((least + most) / 2);
  const limits = bounds.map((keyword) => schema[keyword]);
  for (const limit of limits) {
    if (!(limit instanceof Exact) || !/^-?\d+$/.test(limit.source)) continue;
    // Beyond what a JavaScript number holds.
    candidates.push(limit, ...[1n, -1n].map((d) => new Exact(String(BigInt(limit.source) + d))));
  }
  const tidy = candidates.map((each) => (typeof each === "number" ? Number(each.toPrecision(12)) : each));
  return [...tidy, ...candidates].find((each) => accepts(schema, each)) ?? (isWhole ? 1 : 1.5);
}
