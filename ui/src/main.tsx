import { AsyncApiComponentWP, PLUGIN_EVENT_READY } from "@asyncapi/react-component";
import type { AsyncApiPlugin } from "@asyncapi/react-component";
import type { AsyncAPIDocumentInterface } from "@asyncapi/parser";
import { createRoot } from "react-dom/client";
import type { ReactNode } from "react";
import { ConfigOfPage, readConfig } from "./config";
import type { TryItOutConfig } from "./config";
import { toDocument } from "./document";
import { parseJson } from "./json";
import { setReady } from "./ready";
import { watch } from "./status";
import "@asyncapi/react-component/styles/default.min.css";
import "./styles/index.css";

const config = readConfig();
const root = createRoot(document.getElementById("asyncapi") as HTMLElement);

declare global {
  interface Window {
    AsyncApiTryItPlugin?: { createTryItOutPlugin(options: object): AsyncApiPlugin };
  }
}

const plugins = config.tryItOut ? foreignPanel(config.tryItOut) : [];
if (!plugins.length) setReady("plugins");

/** The panel of a script that came before this (`try_it_out_plugin_url`). */
function foreignPanel({ url, realBroker }: TryItOutConfig): AsyncApiPlugin[] {
  const plugin = window.AsyncApiTryItPlugin?.createTryItOutPlugin({
    endpointBase: url,
    resolveEndpoint: () => url,
    showPayloadSchema: true,
    showEndpointInput: false,
    showRealBrokerToggle: realBroker,
  });
  return plugin ? [plugin] : [];
}

function onPluginEvent(event: string) {
  if (event === PLUGIN_EVENT_READY) requestAnimationFrame(() => setReady("plugins"));
}

function Page({ schema }: { schema: AsyncAPIDocumentInterface }) {
  const isEmpty = schema.operations().length === 0 && schema.channels().length === 0;
  return (
    <ConfigOfPage.Provider value={config}>
      <AsyncApiComponentWP
        schema={schema}
        config={config.component}
        plugins={plugins}
        onPluginEvent={onPluginEvent}
      />
      {isEmpty && (
        <Notice title="Nothing to show yet">
          This application has no subscriber, no publisher and no documented HTTP route. Decorate a
          handler with <code>@broker.subscriber("…")</code> or <code>@broker.publisher("…")</code>{" "}
          and reload the page.
        </Notice>
      )}
    </ConfigOfPage.Provider>
  );
}

function Notice({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="notice">
      <h2>{title}</h2>
      <p>{children}</p>
    </section>
  );
}

async function show() {
  const response = await fetch(config.document);
  if (!response.ok) throw new Error(`The server answered ${response.status} for the document.`);
  const source = parseJson(await response.text());
  root.render(<Page schema={toDocument(source as never)} />);
  if (config.status) watch.start(config.status);
}

show().catch((error: unknown) => {
  root.render(
    <main className="aui-root">
      <Notice title="The document could not be shown">
        {error instanceof Error ? error.message : String(error)} The server’s log says more.
      </Notice>
    </main>,
  );
  document.documentElement.dataset.ready = "error";
});
