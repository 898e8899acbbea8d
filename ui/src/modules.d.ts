declare module "marked" {
  export function marked(source: string): string;
  export namespace marked {
    function use(options: {
      headerIds: boolean;
      mangle: boolean;
      renderer: {
        heading(text: string): string;
        html(source: string): string;
        image(href: string | null, title: string | null, text: string): string;
      };
    }): void;
  }
}

declare module "*.css";
