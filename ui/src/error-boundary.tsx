import { Component } from "react";
import type { ReactNode } from "react";

/** Says so where the page itself fails; the component's own renders all anew at each change. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { message?: string }> {
  state: { message?: string } = {};

  static getDerivedStateFromError(error: unknown): { message: string } {
    return { message: error instanceof Error ? error.message : String(error) };
  }

  render(): ReactNode {
    if (this.state.message === undefined) return this.props.children;
    return (
      <main className="notice">
        <h2>The page could not show this document</h2>
        <p>{this.state.message}</p>
      </main>
    );
  }
}
