import type {
  AsyncAPIDocumentInterface,
  ChannelInterface,
  OperationInterface,
  ServerInterface,
} from "@asyncapi/parser";
import { isObject } from "./accepts";

/** An operation, with the words that a reader knows it by. */
export interface Entry {
  /** The element's id on the page. */
  anchor: string;
  operation: OperationInterface;
  channel: ChannelInterface;
  type: "send" | "receive" | "request" | "reply";
  /** What the operation does, in a word: "receive", "send", or the method of an HTTP route. */
  verb: string;
  /** The handler's name or the title; of an HTTP route its path. */
  name: string;
  /** The address, or of an HTTP route the title, where it is not the name. */
  address: string;
  /** Where its messages go to or come from. */
  path: string;
  isHttp: boolean;
  servers: ServerInterface[];
  tags: string[];
  /** All that the filter looks at, in lower case. */
  words: string;
}

/** Operations that are shown under one heading. */
export interface Group {
  title: string;
  entries: Entry[];
}

/** The operations of a document in the order of the document. */
export function entriesOf(document: AsyncAPIDocumentInterface): Entry[] {
  const entries: Entry[] = [];
  for (const operation of document.operations().all()) {
    const channel = operation.channels().all()[0];
    if (channel) entries.push(toEntry(operation, channel));
  }
  return entries;
}

function toEntry(operation: OperationInterface, channel: ChannelInterface): Entry {
  const id = operation.id() ?? "";
  const hasReply = operation.reply() !== undefined;
  const http = [...operation.bindings().all(), ...channel.bindings().all()].find(
    (binding) => binding.protocol() === "http",
  );
  const type = operation.isSend() ? (hasReply ? "request" : "send") : hasReply ? "reply" : "receive";
  const path = addressOf(channel);
  const method: unknown = http?.value<Record<string, unknown>>()?.method;
  const action = operation.isSend() ? "send" : "receive";
  const verb = http ? String(method ?? "HTTP").replace(/, HEAD$/, "") : action;
  const title = titleOf(operation, channel) ?? nameIn(id) ?? path;
  // Of an HTTP route the path is the name, and its handler's title stands below.
  const [name, below] = http ? [path, title] : [title, path];
  const address = [name, `${verb} ${name}`].includes(below) ? "" : below;
  const servers = http ? [] : channel.servers().all();
  const tags = operation.tags().all().map((tag) => tag.name());
  const messages = operation.messages().all();
  const words = [
    verb, name, address, id, operation.summary(), operation.description(), channel.description(),
    ...tags, ...servers.map((server) => `${server.id()} ${server.protocol()}`),
    ...messages.map((message) => `${message.title() ?? ""} ${message.payload()?.title() ?? ""}`),
  ].join("\n").toLowerCase();
  const anchor = `operation-${type}-${id}`;
  const isHttp = http !== undefined;
  return { anchor, operation, channel, type, verb, name, address, path, isHttp, servers, tags, words };
}

/** In 2.6.0 a channel's key is its address; FastStream puts the handler's name behind it. */
function addressOf(channel: ChannelInterface): string {
  const address = channel.address() ?? channel.id();
  return address === channel.id() ? address.replace(/(?::_)?:[A-Z]\w*(?:-\d+)?$/, "") : address;
}

function titleOf(operation: OperationInterface, channel: ChannelInterface): string | undefined {
  for (const holder of [operation.json(), channel.json()] as unknown[]) {
    if (isObject(holder) && typeof holder.title === "string" && holder.title) return holder.title;
  }
  return undefined;
}

/** FastStream's ids end in the handler's name: `orders.new:TakeOrderSubscribe`. */
function nameIn(id: string): string | undefined {
  const last = id.replace(/:(?:publish|subscribe)$/, "").split(":").at(-1) ?? "";
  const name = last.replace(/(?:Subscribe)?$/, "");
  return !name || /^Publisher(-\d+)?$/.test(name) || name === "HttpChannel" ? undefined : name;
}

/** Under the broker that serves them; HTTP routes are last. */
export function byBroker(entries: Entry[]): Group[] {
  const titles = new Map<string, string>();
  for (const { servers } of entries) {
    for (const server of servers) titles.set(server.id(), brokerTitle(server));
  }
  const isTwice = (title: string) => [...titles.values()].filter((each) => each === title).length > 1;
  return group(entries, ({ isHttp, servers }) => {
    const server = servers[0];
    if (!server) return isHttp ? "HTTP" : "Without a server";
    const title = brokerTitle(server);
    return isTwice(title) ? `${title} (${server.id()})` : title;
  });
}

/** Under the first of their tags. */
export function byTag(entries: Entry[]): Group[] {
  return group(entries, ({ tags }) => tags[0] ?? "Without a tag");
}

function group(entries: Entry[], titleOf: (entry: Entry) => string): Group[] {
  const groups = new Map<string, Entry[]>();
  for (const entry of entries) {
    const title = titleOf(entry);
    const known = groups.get(title);
    if (known) known.push(entry);
    else groups.set(title, [entry]);
  }
  const last = ["HTTP", "Without a server", "Without a tag"];
  return [...groups]
    .sort(([one], [other]) => last.indexOf(one) - last.indexOf(other))
    .map(([title, members]) => ({ title, entries: members }));
}

const PROTOCOLS: Record<string, string> = {
  amqp: "RabbitMQ", amqps: "RabbitMQ", kafka: "Kafka", "kafka-secure": "Kafka", mqtt: "MQTT",
  nats: "NATS", redis: "Redis", rediss: "Redis",
};

/** A broker as people call it: what it is and where. */
export function brokerTitle(server: ServerInterface): string {
  const protocol = server.protocol();
  const place = server.url().replace(/^[a-z+-]+:\/\//, "").replace(/\/$/, "");
  return `${PROTOCOLS[protocol] ?? protocol} at ${place}`;
}

/** Whether an entry has all the words of a filter. */
export function fits(entry: Entry, filter: string): boolean {
  return filter.toLowerCase().split(/\s+/).every((word) => entry.words.includes(word));
}
