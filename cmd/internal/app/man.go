package app

import (
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"

	"github.com/wskit/wskit/cmd/internal/exit"
)

// nameLists gives list flags a placeholder for their value, because the empty
// list would be printed as [].
func nameLists(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if _, ok := f.Value.(pflag.SliceValue); ok && f.DefValue == "[]" {
			f.DefValue = "VALUE"
		}
	})
	for _, c := range cmd.Commands() {
		nameLists(c)
	}
}

// manHeader returns the header of the manual pages. Each page has its own
// title.
func manHeader() *doc.GenManHeader {
	return &doc.GenManHeader{Section: "1", Source: "wskit", Manual: "wskit", Date: &time.Time{}}
}

// manCommand returns the command that generates manual pages. The completion
// command is cobra's.
func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages into a directory",
		Example: `  wskit man /usr/local/share/man/man1
  man wskit-bench`,
		Args: exit.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o777); err != nil {
				return err
			}
			cmd.Root().DisableAutoGenTag = true
			nameLists(cmd.Root())
			return doc.GenManTree(cmd.Root(), manHeader(), args[0])
		},
	}
}
