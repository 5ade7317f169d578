package serve

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
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
		"/sub/file/x":    {404, "404 page not found\n"},
		"/sub%5cfile":    {404, "404 page not found\n"},
		"/sub%00file":    {404, "404 page not found\n"},
	} {
		status, body := get(t, web.URL+path)
		require.Equal(t, want.status, status, path)
		require.Equal(t, want.body, body, path)
	}
}

func get(t *testing.T, url string) (status int, body string) {
	response, err := http.Get(url)
	require.NoError(t, err, url)
	defer response.Body.Close()
	p, err := io.ReadAll(response.Body)
	require.NoError(t, err, url)
	return response.StatusCode, string(p)
}

// TestStaticDotfiles hides names that begin with a dot, unless --dotfiles is given.
// Listings leave them out.
func TestStaticDotfiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"sub/plain", ".env", ".git/config", "sub/.hidden", "sub/..data/file", "sub/dot.in.it"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600))
	}
	require.NoError(t, os.Symlink(filepath.Join(t.TempDir()), filepath.Join(dir, "sub", "out")))
	require.NoError(t, os.Symlink("plain", filepath.Join(dir, "sub", "in")))
	require.NoError(t, os.Symlink("nothing", filepath.Join(dir, "sub", "broken")))

	_, hiding := startServer(t, func(o *options) { o.static = dir })
	_, showing := startServer(t, func(o *options) { o.static, o.dotfiles = dir, true })
	for path, hidden := range map[string]bool{
		"/sub/plain": false, "/sub/dot.in.it": false, "/sub/in": false,
		"/.env": true, "/.git/config": true, "/.git/": true, "/sub/.hidden": true, "/sub/..data/file": true,
		"/%2eenv": true, "/sub//.hidden": true, "/sub/../.env": true,
	} {
		status, body := get(t, hiding.URL+path)
		if hidden {
			require.Equal(t, http.StatusNotFound, status, path)
			require.Equal(t, "404 page not found\n", body, path)
		} else {
			require.Equal(t, http.StatusOK, status, path)
		}
		status, _ = get(t, showing.URL+path)
		require.Equal(t, http.StatusOK, status, path)
	}
	list := func(url string) (names []string) {
		_, body := get(t, url)
		for _, m := range regexp.MustCompile(`>([^<>]+)</a>`).FindAllStringSubmatch(body, -1) {
			names = append(names, m[1])
		}
		return names
	}
	require.Equal(t, []string{"sub/"}, list(hiding.URL+"/"))
	require.Equal(t, []string{"dot.in.it", "in", "plain"}, list(hiding.URL+"/sub/"))
	require.Equal(t, []string{".env", ".git/", "sub/"}, list(showing.URL+"/"))
	require.Equal(t, []string{"..data/", ".hidden", "dot.in.it", "in", "plain"}, list(showing.URL+"/sub/"))
}
