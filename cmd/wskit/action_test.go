package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// action is what GitHub requires of a composite action.
type action struct {
	Name, Description string
	Inputs            map[string]struct {
		Description, Default string
		Required             bool
	}
	Outputs map[string]struct{ Description, Value string }
	Runs    struct {
		Using string
		Steps []struct {
			ID, Name, Uses, Shell, Run string
			Env                        map[string]string
		}
	}
}

func readAction(t *testing.T) (a action) {
	p, err := os.ReadFile("../../.github/actions/wskit-check/action.yml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(p, &a))
	return a
}

func TestActionFields(t *testing.T) {
	a := readAction(t)
	require.NotEmpty(t, a.Name)
	require.NotEmpty(t, a.Description)
	require.Equal(t, "composite", a.Runs.Using)
	for name, input := range a.Inputs {
		require.NotEmpty(t, input.Description, name)
	}
	for _, s := range a.Runs.Steps {
		require.NotEqual(t, s.Uses == "", s.Run == "", "a step uses an action or runs a script")
		require.Equal(t, s.Run != "", s.Shell != "", "a script needs a shell")
		require.NotContains(t, s.Run, "${{", "inputs reach a script through its environment, which no input can break out of")
		for name, value := range s.Env {
			input := strings.TrimSuffix(strings.TrimPrefix(value, "${{ inputs."), " }}")
			require.Contains(t, a.Inputs, input, name)
		}
	}
	for name, output := range a.Outputs {
		require.Contains(t, output.Value, "steps.check.outputs."+name)
	}
}

// The script of the check step runs as a runner would run it, against a good server and a
// bad one, and with a baseline.
func TestActionRuns(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the steps run in bash")
	}
	servers := testServers(t)
	a := readAction(t)
	step := a.Runs.Steps[len(a.Runs.Steps)-1]
	temp, work := t.TempDir(), t.TempDir()
	wskit, err := exec.LookPath("wskit") // testscript has put it into the path
	require.NoError(t, err)
	require.NoError(t, os.Symlink(wskit, filepath.Join(temp, "wskit")))
	run := func(url string, inputs map[string]string) (string, error) {
		inputs["url"] = url
		cmd := exec.Command("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step.Run)
		cmd.Dir = work
		cmd.Env = append(os.Environ(), "RUNNER_TEMP="+temp, "GITHUB_OUTPUT="+filepath.Join(temp, "output"))
		for name, value := range step.Env {
			input := strings.TrimSuffix(strings.TrimPrefix(value, "${{ inputs."), " }}")
			value, ok := inputs[input]
			if !ok {
				value = a.Inputs[input].Default
			}
			cmd.Env = append(cmd.Env, name+"="+value)
		}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := run(servers["ECHO"], map[string]string{"args": "--filter ^rsv/ --quiet 100ms"})
	require.NoError(t, err, out)
	for _, name := range []string{"check.json", "check.html", "check.sarif", "check.junit.xml", "badge.svg", "check.txt"} {
		require.FileExists(t, filepath.Join(work, "wskit-check", name))
	}
	outputs, err := os.ReadFile(filepath.Join(temp, "output"))
	require.NoError(t, err)
	require.Equal(t, "sarif=wskit-check/check.sarif\njunit=wskit-check/check.junit.xml\n", string(outputs))

	out, err = run(servers["LAX"], map[string]string{"args": "--filter ^rsv/", "reports": "a b"})
	require.Error(t, err, "the status of wskit is that of the step")
	require.Contains(t, out, "failed")
	out, err = run(servers["LAX"], map[string]string{"args": "--filter ^rsv/", "baseline": "a b/check.json"})
	require.NoError(t, err, out)
}
