import { AsyncApiComponentWP, PLUGIN_EVENT_READY, PluginSlot } from "@asyncapi/react-component";
import type { AsyncApiPlugin } from "@asyncapi/react-component";
import type { AsyncAPIDocumentInterface } from "@asyncapi/parser";
import { useRef } from "react";
import type { ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { readConfig } from "./config";
import type { PageConfig, TryItOutConfig } from "./config";
import { toDocument } from "./document";
import "./sanitize";
import { tryItOut } from "./try-it-out";
import "@asyncapi/react-component/styles/default.min.css";
import "./page.css";

const config = readConfig();
const root = createRoot(document.getElementById("asyncapi") as HTMLElement);

function downloads(links: PageConfig["downloads"]): AsyncApiPlugin {
  return {
    name: "faststream-downloads",
    version: "1",
    install(api) {
      api.registerComponent(PluginSlot.INFO, () => (
        <p className="downloads">
          {links.map(({ label, url }) => (
            <a key={label} href={url}>
              {label}
            </a>
          ))}
        </p>
      ));
    },
  };
}

declare global {
  interface Window {
    AsyncApiTryItPlugin?: { createTryItOutPlugin(options: object): AsyncApiPlugin };
  }
}

const plugins = [downloads(config.downloads)];
if (config.tryItOut) plugins.push(panel(config.tryItOut));

/** The bundled panel, or the one of a script that came before this (`try_it_out_plugin_url`). */
function panel({ url, realBroker }: TryItOutConfig): AsyncApiPlugin {
  const foreign = window.AsyncApiTryItPlugin;
  return foreign
    ? foreign.createTryItOutPlugin({
        endpointBase: url,
        resolveEndpoint: () => url,
        showPayloadSchema: true,
        showEndpointInput: false,
        showRealBrokerToggle: realBroker,
      })
    : tryItOut({ url, realBroker });
}

function Page({ schema }: { schema: AsyncAPIDocumentInterface }) {
  const isEmpty = schema.operations().length === 0 && schema.channels().length === 0;
  const waiting = useRef(plugins.length);
  const onPluginEvent = (event: string) => {
    if (event === PLUGIN_EVENT_READY && --waiting.current === 0) afterPlugins();
  };
  return (
    <>
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
    </>
  );
}

/** Plugins render after all else and push the content down: only then is there a place to go to. */
function afterPlugins() {
  const target = location.hash ? decodeHash(location.hash) : "";
  let frames = 0;
  let interrupted = false;
  const interrupt = () => {
    interrupted = true;
  };
  const events = ["wheel", "touchstart", "keydown", "pointerdown"];
  events.forEach((event) => addEventListener(event, interrupt, { passive: true, once: true }));
  const step = () => {
    frames += 1;
    // What is out of sight gets its real height when it comes into sight: go there repeatedly.
    if (target && !interrupted) document.getElementById(target)?.scrollIntoView();
    if (frames === 2) document.documentElement.dataset.ready = "true";
    if (frames < (target && !interrupted ? 30 : 2)) requestAnimationFrame(step);
    else events.forEach((event) => removeEventListener(event, interrupt));
  };
  requestAnimationFrame(step);
}

function decodeHash(hash: string): string {
  try {
    return decodeURIComponent(hash.slice(1));
  } catch {
    return hash.slice(1);
  }
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
  root.render(<Page schema={toDocument(await response.json())} />);
}

show().catch((error: unknown) => {
  root.render(
    <Notice title="The document could not be shown">
      {error instanceof Error ? error.message : String(error)} The server’s log says more.
    </Notice>,
  );
  document.documentElement.dataset.ready = "error";
});
