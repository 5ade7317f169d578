package exit

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// Args makes what check finds wrong with the arguments a matter of usage.
func Args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if check(cmd, args) == nil {
			return nil
		}
		return Usagef("%d arguments: write %s", len(args), cmd.UseLine())
	}
}

// File refuses, before any work is done, the name of a file to write whose directory is
// not there. An empty name is none.
func File(flag, name string) error {
	if name == "" {
		return nil
	}
	if info, err := os.Stat(filepath.Dir(name)); err != nil || !info.IsDir() {
		return Usagef("%s %s: there is no directory %s", flag, name, filepath.Dir(name))
	}
	return nil
}
