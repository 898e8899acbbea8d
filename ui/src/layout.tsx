import type { AsyncAPIDocumentInterface } from "@asyncapi/parser";
import type { ConfigInterface } from "@asyncapi/react-component/lib/esm/config/config";
import { Info } from "@asyncapi/react-component/lib/esm/containers/Info/Info";
import { Messages } from "@asyncapi/react-component/lib/esm/containers/Messages/Messages";
import { Schemas } from "@asyncapi/react-component/lib/esm/containers/Schemas/Schemas";
import { ConfigContext } from "@asyncapi/react-component/lib/esm/contexts/useConfig";
import { PluginContext } from "@asyncapi/react-component/lib/esm/contexts/usePlugin";
import { SpecificationContext } from "@asyncapi/react-component/lib/esm/contexts/useSpec";
import type { PluginManager } from "@asyncapi/react-component/lib/esm/helpers/pluginManager";
import {
  memo, startTransition, useCallback, useDeferredValue, useEffect, useMemo, useRef, useState,
} from "react";
import { usePageConfig } from "./config";
import { ErrorBoundary } from "./error-boundary";
import { Filter } from "./filter";
import { Navigation } from "./navigation";
import { Operations } from "./operations";
import { byBroker, byTag, entriesOf, fits } from "./outline";
import type { Group } from "./outline";
import { Servers } from "./servers";
import { useLanding } from "./landing";

// What a first screen shows; the rest follows without holding up the browser.
const OPERATIONS_AT_FIRST = 3;

/** The page's structure, in place of the component's: contents beside the document. */
export default function Layout({ asyncapi, config, pluginManager }: {
  asyncapi: AsyncAPIDocumentInterface;
  config: ConfigInterface;
  pluginManager?: PluginManager;
}) {
  const show = config.show ?? {};
  const entries = useMemo(() => entriesOf(asyncapi), [asyncapi]);
  const hasTags = useMemo(() => entries.some(({ tags }) => tags.length), [entries]);
  const [grouping, setGrouping] = useState<"broker" | "tag">("broker");
  const groups = useMemo(
    () => (grouping === "tag" ? byTag : byBroker)(entries),
    [entries, grouping],
  );
  const [text, setText] = useState("");
  const wanted = useDeferredValue(text.trim());
  const filtered = useMemo(() => filterGroups(groups, wanted), [groups, wanted]);
  const [isWhole, setIsWhole] = useState(false);
  const [isOpen, setIsOpen] = useState(false);
  const menu = useRef<HTMLButtonElement>(null);
  const close = useCallback(() => setIsOpen(false), []);
  const openMenu = useCallback(() => setIsOpen(true), []);
  useEffect(() => startTransition(() => setIsWhole(true)), []);
  useLanding(isWhole, entries, wanted, useCallback(() => setText(""), []));
  useEffect(() => {
    if (!isOpen) return undefined;
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      setIsOpen(false);
      menu.current?.focus();
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, [isOpen]);
  const filter = {
    text,
    onText: setText,
    shown: filtered.reduce((sum, group) => sum + group.entries.length, 0),
    all: entries.length,
    grouping: hasTags ? grouping : undefined,
    onGrouping: setGrouping,
    onShortcut: openMenu,
  };
  const title = asyncapi.info().title();
  return (
    <ConfigContext.Provider value={config}>
      <SpecificationContext.Provider value={asyncapi}>
        <PluginContext.Provider value={pluginManager}>
          <div className={isOpen ? "aui-root is-menu-open" : "aui-root"}>
            <a className="skip" href="#content">
              Skip to the content
            </a>
            {show.operations && (
              <a className="skip" href="#operations">
                Skip to the operations
              </a>
            )}
            {show.sidebar && (
              <header className="bar">
                <button
                  ref={menu}
                  type="button"
                  className="bar-menu"
                  aria-expanded={isOpen}
                  aria-controls="contents"
                  onClick={() => setIsOpen(!isOpen)}
                >
                  <svg viewBox="0 0 20 20" aria-hidden="true">
                    <path d={isOpen ? "M5 5l10 10M15 5L5 15" : "M3 5h14M3 10h14M3 15h14"} />
                  </svg>
                  {isOpen ? "Close" : "Contents"}
                </button>
                <span className="bar-title">{title}</span>
              </header>
            )}
            <ErrorBoundary>
              <div className="columns">
                {show.sidebar && (
                  <nav id="contents" className="contents" aria-label="Contents">
                    <Navigation groups={filtered} filter={filter} onFollow={close} />
                  </nav>
                )}
                <main id="content" tabIndex={-1} inert={isOpen && isNarrow()}>
                  <h1 className={show.info ? "" : "for-readers"}>
                    {title} <small>{asyncapi.info().version()}</small>
                  </h1>
                  {show.info && <Info />}
                  {show.info && <Downloads />}
                  {show.servers && <Servers />}
                  {show.operations && (
                    <Operations
                      groups={isWhole ? groups : firstOf(groups)}
                      areBrokers={grouping === "broker"}
                      filter={wanted}
                      onClear={() => setText("")}
                    >
                      {!show.sidebar && <Filter {...filter} onShortcut={close} />}
                    </Operations>
                  )}
                  {isWhole && <Rest messages={show.messages ?? false} schemas={show.schemas ?? false} />}
                </main>
              </div>
            </ErrorBoundary>
          </div>
        </PluginContext.Provider>
      </SpecificationContext.Provider>
    </ConfigContext.Provider>
  );
}

function isNarrow(): boolean {
  return matchMedia("(max-width: 1023px)").matches;
}

const Rest = memo(function Rest({ messages, schemas }: { messages: boolean; schemas: boolean }) {
  return (
    <>
      {messages && <Messages />}
      {schemas && <Schemas />}
    </>
  );
});

function Downloads() {
  const { downloads } = usePageConfig();
  return (
    <p className="downloads">
      {downloads.map(({ label, url }) => (
        <a key={label} href={url}>
          {label}
        </a>
      ))}
    </p>
  );
}

function filterGroups(groups: Group[], filter: string): Group[] {
  if (!filter) return groups;
  return groups
    .map(({ title, entries }) => ({ title, entries: entries.filter((each) => fits(each, filter)) }))
    .filter(({ entries }) => entries.length);
}

function firstOf(groups: Group[]): Group[] {
  return groups.slice(0, 1).map(({ title, entries }) => ({
    title,
    entries: entries.slice(0, OPERATIONS_AT_FIRST),
  }));
}
