package marked

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUpdate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.md")
	require.ErrorIs(t, Check(file, "part"), os.ErrNotExist)
	require.ErrorIs(t, Update(file, "part", "new"), os.ErrNotExist)
	text := "# Title\n\n" + Begin("part") + "\nold\n" + End("part") + "\n\nmore\n"
	require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	require.NoError(t, Check(file, "part"))
	for range 2 { // the second time it changes nothing
		require.NoError(t, Update(file, "part", "new\n"))
		got, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, "# Title\n\n"+Begin("part")+"\n\nnew\n\n"+End("part")+"\n\nmore\n", string(got))
	}
}

func TestPartsThatAreNotThere(t *testing.T) {
	begin, end := Begin("part"), End("part")
	for name, text := range map[string]string{
		"no marks":    "# Title\n",
		"no end":      begin + "\n",
		"no begin":    end + "\n",
		"two begins":  begin + begin + end,
		"two ends":    begin + end + end,
		"wrong order": end + "\n" + begin + "\n",
		"another one": Begin("other") + End("other"),
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "page.md")
			require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
			require.ErrorContains(t, Check(file, "part"), begin)
			require.ErrorContains(t, Update(file, "part", "new"), file)
			got, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, text, string(got))
		})
	}
}
