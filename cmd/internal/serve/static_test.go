package serve

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestStatic serves a directory and nothing else, whatever a link in it points to.
func TestStatic(t *testing.T) {
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	write := func(name, text string) { require.NoError(t, os.WriteFile(name, []byte(text), 0o600)) }
	write(outside, "secret")
	write(filepath.Join(dir, "index.html"), "mine")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o700))
	write(filepath.Join(dir, "sub", "file"), "deep")
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "out")))
	require.NoError(t, os.Symlink(filepath.Dir(outside), filepath.Join(dir, "away")))
	require.NoError(t, os.Symlink("sub/file", filepath.Join(dir, "in")))
	_, web := startServer(t, func(o *options) { o.static = dir })
	for path, want := range map[string]struct {
		status int
		body   string
	}{
		"/":              {200, "mine"},
		"/sub/file":      {200, "deep"},
		"/in":            {200, "deep"},
		"/out":           {403, "403 Forbidden\n"},
		"/away/secret":   {403, "403 Forbidden\n"},
		"/nothing":       {404, "404 page not found\n"},
		"/%2e%2e/secret": {404, "404 page not found\n"},
	} {
		response, err := http.Get(web.URL + path)
		require.NoError(t, err, path)
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		require.NoError(t, err, path)
		require.Equal(t, want.status, response.StatusCode, path)
		require.Equal(t, want.body, string(body), path)
	}
}
