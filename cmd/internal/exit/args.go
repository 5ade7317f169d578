package exit

import "github.com/spf13/cobra"

// Args makes what check finds wrong with the arguments a matter of usage.
func Args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return With(Usage, err)
		}
		return nil
	}
}
