import { AsyncApiComponentWP, PluginSlot } from "@asyncapi/react-component";
import type { AsyncApiPlugin } from "@asyncapi/react-component";
import type { AsyncAPIDocumentInterface } from "@asyncapi/parser";
import { useEffect } from "react";
import type { ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { readConfig } from "./config";
import type { PageConfig } from "./config";
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

const plugins = [downloads(config.downloads)];
if (config.tryItOut) plugins.push(tryItOut(config.tryItOut));

function Page({ schema }: { schema: AsyncAPIDocumentInterface }) {
  const isEmpty = schema.operations().length === 0 && schema.channels().length === 0;
  return (
    <>
      <AsyncApiComponentWP schema={schema} config={config.component} plugins={plugins} />
      {isEmpty && (
        <Notice title="Nothing to show yet">
          This application has no subscriber, no publisher and no documented HTTP route. Decorate a
          handler with <code>@broker.subscriber("…")</code> or <code>@broker.publisher("…")</code>{" "}
          and reload the page.
        </Notice>
      )}
      <Ready />
    </>
  );
}

/** Plugins register after the first render and push the content down: scroll again then. */
function Ready() {
  useEffect(() => {
    requestAnimationFrame(() => {
      const target = location.hash && document.getElementById(decodeHash(location.hash));
      if (target) target.scrollIntoView();
      document.documentElement.dataset.ready = "true";
    });
  }, []);
  return null;
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
