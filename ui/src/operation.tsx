import type { MessageInterface } from "@asyncapi/parser";
import { Bindings } from "@asyncapi/react-component/lib/esm/components/Bindings";
import { Extensions } from "@asyncapi/react-component/lib/esm/components/Extensions";
import { Href } from "@asyncapi/react-component/lib/esm/components/Href";
import { Markdown } from "@asyncapi/react-component/lib/esm/components/Markdown";
import { SlotRenderer } from "@asyncapi/react-component/lib/esm/components/PluginSlotRenderer";
import { Tags } from "@asyncapi/react-component/lib/esm/components/Tags";
import { Message } from "@asyncapi/react-component/lib/esm/containers/Messages/Message";
import { Security } from "@asyncapi/react-component/lib/esm/containers/Servers/Security";
import { usePlugin } from "@asyncapi/react-component/lib/esm/contexts/usePlugin";
import { useSpec } from "@asyncapi/react-component/lib/esm/contexts/useSpec";
import { SchemaHelpers } from "@asyncapi/react-component/lib/esm/helpers/schema";
import { PluginSlot } from "@asyncapi/react-component/lib/esm/types";
import { usePageConfig } from "./config";
import { Heading, hrefOf } from "./heading";
import { Verb } from "./navigation";
import { brokerTitle } from "./outline";
import type { Entry } from "./outline";
import { Schema, StartsOpen } from "./schema";
import { ConsumptionBadge } from "./status-badge";
import { TryItOut } from "./try-it-out";

/** One operation, in place of the component's. */
export function Operation({ entry, level, hasBroker }: {
  entry: Entry;
  level: 3 | 4;
  /** Whether the heading above names the broker. */
  hasBroker: boolean;
}) {
  const { operation, channel, name, address, verb, isHttp, servers } = entry;
  const id = operation.id() ?? "";
  const title = isHttp ? `${verb} ${name}` : name;
  const descriptions = new Set([channel.description(), operation.description()]);
  const summary = operation.summary();
  const externalDocs = operation.externalDocs();
  return (
    <>
      <Heading level={level} anchor={entry.anchor} name={title}>
        <Verb entry={entry} /> <span className={isHttp ? "name name-path" : "name"}>{name}</span>
      </Heading>
      <p className="whereabouts">
        {address && <code>{address}</code>}
        {(hasBroker ? servers.slice(1) : servers).map((server) => (
          <a key={server.id()} href={hrefOf(`server-${server.id()}`)}>
            {brokerTitle(server)}
          </a>
        ))}
      </p>
      {operation.isReceive() && !isHttp && <ConsumptionBadge operationId={id} />}
      {summary && summary !== name && summary !== address && <p className="summary">{summary}</p>}
      {[...descriptions].map((text) => text && <Markdown key={text}>{text}</Markdown>)}
      {externalDocs && (
        <p>
          <Href href={externalDocs.url()}>External documentation</Href>
        </p>
      )}
      {operation.tags().length > 0 && <Tags tags={operation.tags()} />}
      <Panel entry={entry} />
      <Parameters entry={entry} />
      <MessagesOf entry={entry} />
      <Reply entry={entry} />
      <StartsOpen.Provider value={false}>
        <div className="bindings">
        {channel.bindings().length > 0 && (
          <Bindings name="Channel" bindings={channel.bindings()} />
        )}
        <Extensions name="Channel extensions" item={channel} />
        {operation.bindings().length > 0 && !isHttp && (
          <Bindings name="Operation" bindings={operation.bindings()} />
        )}
        <Extensions name="Operation extensions" item={operation} />
        <Security security={operation.security()} header="Security" />
        </div>
      </StartsOpen.Provider>
      <p className="operation-id">
        Operation <code>{id}</code>
      </p>
    </>
  );
}

/** Try It Out, or what a script of another host puts in its place. */
function Panel({ entry }: { entry: Entry }) {
  const { tryItOut } = usePageConfig();
  const document = useSpec();
  const plugins = usePlugin();
  const { operation, channel, type } = entry;
  if (plugins?.getComponentsForSlot(PluginSlot.OPERATION).length) {
    const context = {
      slot: PluginSlot.OPERATION,
      document,
      operation,
      channel,
      channelName: channel.address() ?? "",
      type,
      schema: { type, operation, channel, channelName: channel.address() ?? "" },
    };
    return <SlotRenderer context={context as never} pluginManager={plugins} />;
  }
  if (!tryItOut || entry.isHttp || !operation.isReceive()) return null;
  return <TryItOut entry={entry} config={tryItOut} />;
}

function Parameters({ entry }: { entry: Entry }) {
  const { operation, channel, isHttp } = entry;
  const parameters = SchemaHelpers.parametersToSchema(channel.parameters());
  const http = operation.bindings().get("http")?.value<{ query?: object }>();
  const query =
    isHttp && http?.query ? SchemaHelpers.jsonToSchema({ ...http.query, title: undefined }) : undefined;
  return (
    <>
      {parameters && (
        <Schema schemaName={isHttp ? "Path" : "Address parameters"} schema={parameters} expanded />
      )}
      {query && <Schema schemaName="Query" schema={query} expanded />}
    </>
  );
}

function MessagesOf({ entry }: { entry: Entry }) {
  const { operation, isHttp } = entry;
  // An HTTP route without headers and body has a message that says nothing.
  const messages = operation.messages().all().filter((each) => !isHttp || each.payload() || each.headers());
  if (!messages.length) return null;
  const title = messages.length > 1 ? "One of these messages" : isHttp ? "Request" : "Message";
  return <MessageList title={title} messages={messages} />;
}

function MessageList({ title, messages }: { title: string; messages: MessageInterface[] }) {
  return (
    <div className="messages">
      <p className="part-title">{title}</p>
      {messages.map((message, index) => (
        <Message
          key={`${message.id()}-${index}`}
          message={message}
          index={messages.length > 1 ? index + 1 : undefined}
          showExamples
        />
      ))}
    </div>
  );
}

function Reply({ entry }: { entry: Entry }) {
  const { operation, isHttp } = entry;
  const reply = operation.reply();
  const extension = operation.extensions().get("x-responses");
  if (!reply) {
    const responses = extension && SchemaHelpers.jsonToSchema(extension.value());
    return responses ? <Schema schemaName="Responses" schema={responses} /> : null;
  }
  const address = reply.channel()?.address() ?? reply.address()?.location();
  const messages = reply.messages().all();
  return (
    <>
      {!isHttp && address && (
        <p className="whereabouts">
          Replies to <code>{address}</code>
        </p>
      )}
      {messages.length > 0 && <MessageList title={isHttp ? "Response" : "Reply"} messages={messages} />}
    </>
  );
}
