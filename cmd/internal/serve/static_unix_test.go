//go:build unix

package serve

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestStaticIrregular asks for files whose opening or reading may never return:
// they are refused, and a listing leaves them out. To open a FIFO waits for a
// writer.
func TestStaticIrregular(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(at("file"), []byte("regular"), 0o600))
	require.NoError(t, syscall.Mkfifo(at("fifo"), 0o600))
	require.NoError(t, os.Symlink("fifo", at("link")))
	require.NoError(t, os.Symlink("/dev/zero", at("zero")))
	ln, err := net.Listen("unix", at("socket"))
	if err == nil { // the path may be too long for one
		defer ln.Close()
	}
	require.NoError(t, os.Mkdir(at("sub"), 0o700))
	require.NoError(t, syscall.Mkfifo(at("sub/index.html"), 0o600))

	_, web := startServer(t, func(o *options) { o.static = dir })
	for path, want := range map[string]int{
		"/file": http.StatusOK, "/fifo": http.StatusForbidden, "/link": http.StatusForbidden, "/zero": http.StatusForbidden,
	} {
		status, _ := get(t, web.URL+path)
		require.Equal(t, want, status, path)
	}
	if err == nil {
		status, _ := get(t, web.URL+"/socket")
		require.Equal(t, http.StatusForbidden, status)
	}
	_, body := get(t, web.URL+"/")
	require.NotRegexp(t, "fifo|link|zero|socket", body)
	require.Regexp(t, "file</a>", body)
	status, body := get(t, web.URL+"/sub/")
	require.Equal(t, http.StatusOK, status)
	require.NotContains(t, body, "index")
}

// TestStaticSwap has a FIFO take the place of a file between the look at it and
// the opening, many times: no request waits.
func TestStaticSwap(t *testing.T) {
	dir := t.TempDir()
	file, fifo, name := filepath.Join(dir, "file"), filepath.Join(dir, "fifo"), filepath.Join(dir, "it")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	done, swapped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(swapped)
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			os.Link([]string{file, fifo}[i%2], name+".new")
			os.Rename(name+".new", name)
			os.Remove(name + ".new") // a rename of two links to one file does nothing
		}
	}()
	for range 5000 {
		f, err := directory{root: root}.Open("it")
		if err != nil {
			continue
		}
		info, err := f.Stat()
		require.NoError(t, err)
		require.True(t, info.Mode().IsRegular())
		f.Close()
	}
	close(done)
	<-swapped
}
