import { createContext, useContext } from "react";

/** What the server puts into the page for the script. URLs are relative to the page's own. */
export interface PageConfig {
  document: string;
  downloads: { label: string; url: string }[];
  component: {
    show: Record<string, boolean>;
    expand: { messageExamples: boolean };
  };
  tryItOut: null | TryItOutConfig;
  /** Where the page asks what the subscribers do at present; null where it does not. */
  status: string | null;
}

export interface TryItOutConfig {
  url: string;
  realBroker: boolean;
  /** The endpoint answers with reports: nothing else from there is a success. */
  reports: boolean;
  /** Cookie and header of each protection against forged requests that a host may have. */
  csrf: [cookie: string, header: string][];
  /** By channel, why no message can be tried there. */
  unavailable: Record<string, string>;
}

export function readConfig(): PageConfig {
  return JSON.parse(document.getElementById("asyncapi-config")?.textContent ?? "");
}

export const ConfigOfPage = createContext<PageConfig | null>(null);

export function usePageConfig(): PageConfig {
  const config = useContext(ConfigOfPage);
  if (!config) throw new Error("no ConfigOfPage above");
  return config;
}
