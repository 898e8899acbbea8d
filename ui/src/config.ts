/** What the server puts into the page for the script. URLs are relative to the page's own. */
export interface PageConfig {
  document: string;
  downloads: { label: string; url: string }[];
  component: {
    show: Record<string, boolean>;
    expand: { messageExamples: boolean };
  };
  tryItOut: null | TryItOutConfig;
}

export interface TryItOutConfig {
  url: string;
  realBroker: boolean;
}

export function readConfig(): PageConfig {
  return JSON.parse(document.getElementById("asyncapi-config")?.textContent ?? "");
}
