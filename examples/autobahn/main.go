// Command autobahn runs the Autobahn testsuite against our servers and clients,
// in every assembly of package conformance, and fails on an unexpected result.
// If the command wstest of autobahntestsuite is not installed, it prints that
// and does nothing.
//
//	go run ./autobahn -cases '9.*' -reports /tmp/autobahn
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wskit/wskit/examples/conformance"
	"github.com/wskit/wskit/websocket"
)

const maxMessage = 16 << 20

// expected reports whether a case may have this result.
func expected(a conformance.Assembly, id, result string) bool {
	switch result {
	case "INFORMATIONAL": // there is no right answer
		return slices.Contains([]string{"7.1.6", "7.13.1", "7.13.2"}, id)
	case "UNIMPLEMENTED": // compression
		return !a.Compresses && (strings.HasPrefix(id, "12.") || strings.HasPrefix(id, "13."))
	case "NON-STRICT": // text is checked when the message is complete
		_, whole := a.Excuse("utf8/fail-fast/")
		return whole && strings.HasPrefix(id, "6.4.")
	}
	return result == "OK"
}

func main() {
	cases := flag.String("cases", "*", "run the `cases` with these numbers, separated by commas")
	reports := flag.String("reports", filepath.Join(os.TempDir(), "autobahn"), "write the reports to this `folder`")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, *cases, *reports); err != nil {
		fmt.Fprintln(os.Stderr, "autobahn:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, cases, reports string) error {
	if _, err := exec.LookPath("wstest"); err != nil {
		fmt.Fprintln(out, "autobahn: skipped: the command wstest of autobahntestsuite is not installed")
		return nil
	}
	return errors.Join(testServers(ctx, out, cases, reports), testClients(ctx, out, cases, reports))
}

// wstest starts the command in a mode, with its specification in dir.
func wstest(ctx context.Context, mode, dir, cases, key string, value any) (*exec.Cmd, error) {
	text, err := json.Marshal(map[string]any{"outdir": dir, "cases": strings.Split(cases, ","), "exclude-cases": []string{}, key: value})
	file := filepath.Join(dir, mode+".json")
	cmd := exec.CommandContext(ctx, "wstest", "-m", mode, "-s", file, "-w", "0")
	cmd.Stderr = os.Stderr
	err = errors.Join(err, os.RemoveAll(filepath.Join(dir, "index.json")), os.MkdirAll(dir, 0o755), os.WriteFile(file, text, 0o644))
	return cmd, cmp.Or(err, cmd.Start())
}

// testServers runs the fuzzing client against all servers.
func testServers(ctx context.Context, out io.Writer, cases, reports string) error {
	all, servers, dir := conformance.Servers(maxMessage), []map[string]string{}, filepath.Join(reports, "servers")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, a := range all {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		go a.Serve(ctx, ln)
		servers = append(servers, map[string]string{"agent": a.Name, "url": "ws://" + ln.Addr().String() + "/ws"})
	}
	cmd, err := wstest(ctx, "fuzzingclient", dir, cases, "servers", servers)
	if err = cmp.Or(err, cmd.Wait()); err != nil {
		return fmt.Errorf("wstest -m fuzzingclient: %w", err)
	}
	return judge(out, "server", dir, all)
}

// testClients runs all clients against the fuzzing server.
func testClients(ctx context.Context, out io.Writer, cases, reports string) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0") // finds a free port
	if err != nil {
		return err
	}
	ln.Close()
	base, all, dir := "ws://"+ln.Addr().String(), conformance.Clients(maxMessage), filepath.Join(reports, "clients")
	cmd, err := wstest(ctx, "fuzzingserver", dir, cases, "url", base)
	if err != nil {
		return fmt.Errorf("wstest -m fuzzingserver: %w", err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	answer, err := "", net.ErrClosed
	for tries := 0; err != nil && tries < 300; tries++ { // until it listens
		time.Sleep(100 * time.Millisecond)
		answer, err = ask(ctx, base+"/getCaseCount")
	}
	n, parse := strconv.Atoi(answer)
	if err = cmp.Or(err, parse); err != nil {
		return fmt.Errorf("wstest -m fuzzingserver: the number of cases: %w", err)
	}
	for _, a := range all {
		agent := url.QueryEscape(a.Name)
		for i := range n {
			a.Dial(ctx, fmt.Sprintf("%s/runCase?case=%d&agent=%s", base, i+1, agent)) // the report says what went wrong
		}
		if _, err := ask(ctx, base+"/updateReports?agent="+agent); websocket.CloseStatus(err) < 0 {
			return fmt.Errorf("wstest -m fuzzingserver: the reports: %w", err)
		}
	}
	return judge(out, "client", dir, all)
}

// ask returns the message that the server sends at url.
func ask(ctx context.Context, url string) (string, error) {
	c, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return "", err
	}
	defer c.CloseNow()
	_, p, err := c.Read(ctx)
	return string(p), err
}

// judge prints the totals of each agent and returns the unexpected results as
// an error.
func judge(out io.Writer, side, dir string, agents []conformance.Assembly) error {
	var index map[string]map[string]struct{ Behavior, BehaviorClose string }
	text, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err = cmp.Or(err, json.Unmarshal(text, &index)); err != nil {
		return fmt.Errorf("the reports of wstest: %w", err)
	}
	for _, a := range agents {
		count := map[string]int{}
		for id, r := range index[a.Name] {
			count[r.Behavior]++
			if !expected(a, id, r.Behavior) || !expected(a, id, cmp.Or(r.BehaviorClose, "OK")) && r.BehaviorClose != r.Behavior {
				err = errors.Join(err, fmt.Errorf("%s %s: case %s: %s, close: %s", side, a.Name, id, r.Behavior, r.BehaviorClose))
			}
		}
		if fmt.Fprintf(out, "%s %s: %v\n", side, a.Name, count); len(count) == 0 {
			err = errors.Join(err, fmt.Errorf("%s %s: no results", side, a.Name))
		}
	}
	return err
}
