// Package app implements the command line of wskit with its subcommands.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/wskit/wskit/cmd/internal/bench"
	"github.com/wskit/wskit/cmd/internal/check"
	"github.com/wskit/wskit/cmd/internal/dial"
	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/cmd/internal/proxy"
	"github.com/wskit/wskit/cmd/internal/serve"
	"github.com/wskit/wskit/cmd/internal/trace"
	"github.com/wskit/wskit/cmd/internal/ui"
)

// Run runs wskit with these arguments and returns its exit status. The first
// Ctrl-C ends the command; a second one kills the program.
func Run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	root := newRoot()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if errors.Is(err, context.Canceled) {
		err = exit.With(exit.Interrupted, errors.New("interrupted"))
	}
	if err != nil && !exit.Silent(err) {
		report(os.Stderr, cmd, err)
	}
	return exit.Status(err)
}

// report prints an error on one line.
func report(w io.Writer, cmd *cobra.Command, err error) {
	text := strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", " ")
	if exit.Status(err) == exit.Usage {
		text += fmt.Sprintf(" (see %s --help)", cmd.CommandPath())
	}
	fmt.Fprintln(w, ui.For(w).Red(cmd.CommandPath()+":"), text)
}

// docs names the pages of the documentation, in the repository of the module.
const docs = `Documentation, in https://github.com/wskit/wskit:
  docs/wskit.md         this command, with samples and tables
  docs/guide/README.md  WebSockets in Go, one page for each job`

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "wskit",
		Short: "Serve, call, proxy, load, test and decode WebSockets",
		Long: `Serve, call, proxy, load, test and decode WebSockets. The other side can be written
in any language.

` + docs + "\n\n" + exit.Help,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          subcommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SuggestionsMinimumDistance = 2
	root.SetVersionTemplate("wskit {{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return exit.With(exit.Usage, err) })
	root.AddCommand(
		serve.Command(),
		proxy.Command(),
		dial.Command(),
		bench.Command(),
		check.Command(),
		trace.Command(),

		manCommand(),
	)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		strict(cmd)
	}
	return root
}

// strict makes the commands of cobra refuse unknown arguments.
func strict(cmd *cobra.Command) {
	switch cmd.Name() {
	case "help":
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if _, rest, err := cmd.Root().Find(args); err != nil || len(rest) > 0 {
				return exit.Usagef("unknown subcommand %q", strings.Join(args, " "))
			}
			return nil
		}
	case "completion":
		cmd.Args = func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return exit.Usagef("no completion for %q: use bash, fish, powershell or zsh", args[0])
			}
			return nil
		}
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		for _, shell := range cmd.Commands() {
			shell.Args = exit.Args(cobra.NoArgs)
		}
	}
}

// subcommand refuses unknown subcommands.
func subcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = fmt.Sprintf(", did you mean %q?", near[0])
	}
	return exit.Usagef("unknown subcommand %q%s", args[0], hint)
}

// release is the version of a release, set by go run ./dist.
var release string

func version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
