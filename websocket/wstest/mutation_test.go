package wstest

import (
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wskit/wskit/internal/race"
)

func quick(filter string) *Options {
	return &Options{Filter: filter, Timeout: 3 * time.Second, Quiet: 250 * time.Millisecond, MaxMessage: twinLimit, Parallel: 32}
}

// patient is for the twins without a fault, which are never waited for.
func patient() *Options {
	o := &Options{Timeout: 2 * time.Minute, Quiet: 5 * time.Second, MaxMessage: twinLimit}
	if race.Enabled { // a sample of what takes long there
		o.Filter = `^([a-rt-v]|window/server-(8|10|default)/)`
	}
	return o
}

// wantStrict names the cases that are not strict.
func wantStrict(t *testing.T, r *Report, skippedToo bool) {
	t.Helper()
	for _, res := range r.Agents[0].Results {
		switch {
		case res.Verdict == Strict:
		case res.Verdict == Skipped && (res.Detail == "the message is larger than the peer's limit" || !skippedToo):
		default:
			t.Errorf("%s is %v: %s\n%s", res.ID, res.Verdict, res.Detail, transcript(res.Wire))
		}
	}
}

func TestFaultlessServer(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
	r, err := RunServer(t.Context(), twinServer(t, "", twinLimit), patient())
	require.NoError(t, err)
	wantStrict(t, r, true)
	require.Greater(t, r.Agents[0].Counts.Strict, 1000)
}

func TestFaultlessClient(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
	r, err := RunClient(t.Context(), twinClient("", twinLimit), patient())
	require.NoError(t, err)
	wantStrict(t, r, false)
	require.Greater(t, r.Agents[0].Counts.Strict, 1000)
}

// mutant is one fault and the cases that have to catch it, each one of them.
type mutant struct {
	fault   string
	cases   string // a regular expression on IDs
	verdict Verdict
}

var frameMutants = []mutant{
	{"little-endian", `^length/text/(127|256|65534)$`, Failed},
	{"truncates-length", `^length/declared/(text|binary)-100000005$`, Failed},
	{"takes-not-minimal", `^length/not-minimal/[^c]`, Failed},
	{"ignores-top-bit", `^length/top-bit/.*-(8000000000000000|8000000000000001)$`, Failed},
	{"sends-not-minimal", `^length/(text|binary)/125$|^ping/payload/125$`, Failed},
	{"wrong-mask-side", `^length/text/5?[01]$|^ping/payload/5$`, Failed},
	{"ignores-rsv1", `^rsv/100/([^c]|con)`, Failed},
	{"ignores-rsv2", `^rsv/010/([^c]|con)`, Failed},
	{"ignores-rsv3", `^rsv/001/([^c]|con)|^deflate/rsv/bits-101`, Failed},
	{"ignores-rsv-of-control", `^rsv/\d+/p|^deflate/rsv/p[io]ng-\d+$`, Failed},
	{"ignores-rsv-of-continuation", `^rsv/\d+/continuation|^deflate/rsv/(late|continuation)`, Failed},
	{"sends-rsv2", `^length/text/1$|^fragment/text/2-by-0$`, Failed},
	{"takes-reserved-data", `^opcode/[3-7]/(empty|payload|126)`, Failed},
	{"takes-reserved-control", `^opcode/[B-F]/(empty|payload|in-message|second)`, Failed},
	{"takes-orphan", `^fragment/no-start/\d+(-after-message)?$`, Failed},
	{"takes-nested", `^fragment/nested/`, Failed},
	{"takes-fragmented-control", `^fragment/control/p[io]ng-\d+$`, Failed},
	{"ignores-rsv2", `^rsv/010/close-2$`, Tolerated}, // the connection ends, if for another reason
	{"takes-not-minimal", `^length/not-minimal/close`, Tolerated},
	{"takes-long-control", `^control/too-long/p`, Failed},
	{"echoes-fragments", `^fragment/text/\d+-by-0$`, Failed},
	{"empty-fragment-ends", `^fragment/(first|all|many)-empty/`, Failed},
	{"control-breaks-message", `^interleave/p[io]ng/`, Failed},
	{"pong-after-message", `^interleave/ping/`, Failed},
	{"no-pong", `^ping/payload/\d+$`, Failed},
	{"empty-pong", `^ping/payload/(1|5|125)$`, Failed},
	{"cuts-pong", `^ping/payload/125$`, Failed},
	{"pong-as-text", `^ping/payload/\d+$`, Failed},
	{"loses-pongs", `^ping/many/(10|100)$`, Tolerated},
	{"answers-pongs", `^pong/unsolicited/[1-9]`, Failed},
	{"swaps-types", `^length/text/1$|^length/binary/1$`, Failed},
	{"cuts-large", `^length/(text|binary)/(65537|131072)$`, Failed},
	{"trims-text", `^utf8/valid/U\+0000$`, Failed},
	{"limit-off-by-one", `^limit/exact`, Failed},
	{"limits-frames", `^limit/over-fragments$`, Failed},
	{"limits-connection", `^limit/again$|^size/many/500-of-1000$`, Failed},
	{"limits-text", `^limit/over-(binary|by-far)$`, Failed},
	{"loses-the-second-of-a-read", `^length/burst/(10|100)$`, Failed},
	{"shares-buffer", `^length/burst/(10|100)$`, Failed},
	{"stale-pong", `^ping/shorter$`, Failed},
	{"tires-of-pings", `^ping/many/1000$`, Failed},
	{"ignores-empty-end", `^fragment/(last|all)-empty/`, Failed},
	{"takes-nested-after-control", `^fragment/nested/.*-behind-`, Failed},
	{"ignores-mask-of-empty", `^mask/(un)?masked/(text|binary|ping|pong)-empty$`, Failed},
	{"no-limit", `^limit/over(-fragments|-by-far)?$`, Failed},
}

var textMutants = []mutant{
	{"takes-all-text", `^utf8/(invalid|late|early)/|^utf8/cut/\d+-(then|end)`, Failed},
	{"utf8-per-fragment", `^utf8/cut/(2|4|5|7|8|9)$`, Failed},
	{"utf8-only-at-end", `^utf8/fail-fast/`, Tolerated},
	{"takes-surrogates", `^utf8/invalid/surrogate/d800$`, Failed},
	{"takes-overlong", `^utf8/invalid/overlong/slash-2$`, Failed},
	{"takes-beyond", `^utf8/invalid/beyond/110000$`, Failed},
	{"takes-cut-text", `^utf8/invalid/short/.*-\d$|^utf8/cut/\d+-end$`, Failed},
	{"refuses-noncharacters", `^utf8/valid/U\+FFF[EF](/|$)`, Failed},
	{"utf8-in-binary", `^utf8/binary/`, Failed},
	{"stale-text-check", `^utf8/then-invalid/text-`, Failed},
	{"control-restarts-text", `^utf8/cut/(2|4|5|7|8|9)-ping$`, Failed},
	{"no-look-at-inflated-text", `^deflate/text/(never|late|short|surrogate)`, Failed},
}

var closeMutants = []mutant{
	{"swaps-code", `^close/code/(1000|1001|3000)$`, Failed},
	{"echoes-after-close", `^close/after/10-of-10$`, Failed},
	{"no-close-answer", `^close/code/1000$|^close/body/empty$`, Failed},
	{"drops-silently", `^rsv/100/text-5$|^utf8/invalid/never/ff$`, Tolerated},
	{"always-closes-with-1000", `^close/code/(1001|3000|4999)$`, Tolerated},
	{"takes-unsendable-codes", `^close/code/(1005|1006|1015)$`, Failed},
	{"takes-undefined-codes", `^close/code/(1016|1100|2000|2999)$`, Failed},
	{"takes-1004", `^close/code/1004$`, Failed},
	{"takes-codes-under-1000", `^close/code/(0|1|999)$`, Failed},
	{"takes-codes-over-4999", `^close/code/(5000|65535)$`, Failed},
	{"refuses-new-codes", `^close/code/101[234]`, Tolerated},
	{"refuses-3xxx", `^close/code/3\d{3}$`, Tolerated},
	{"refuses-4999", `^close/code/4999$`, Tolerated},
	{"refuses-empty-close", `^close/body/empty$`, Tolerated},
	{"no-reasons", `^close/body/(reason-123|longest-utf8)$`, Tolerated},
	{"takes-one-byte-close", `^close/body/one-byte`, Failed},
	{"bare-close", `^close/code/1000$`, Failed},
	{"takes-bad-reason", `^close/reason/`, Failed},
	{"processes-after-close", `^close/then/(text|ping|fragments|another-close)$`, Failed},
	{"close-overtakes", `^close/after/10-of-10$`, Tolerated},
	{"close-in-message-ignored", `^interleave/close/`, Failed},
}

var deflateMutants = []mutant{
	{"forgets-rsv1", `^deflate/size/text-10$`, Failed},
	{"leaves-tail", `^window/server-9/client-9/takeover-both$`, Failed},
	{"compresses-over-window", `^window/server-(8|9|10|11)/client-(8|9|10|11)/`, Failed},
	{"keeps-window", `^window/server-12/client-12/takeover-none$`, Failed},
	{"forgets-window", `^window/server-\d+/client-\d+/takeover-both$`, Failed},
	{"small-window", `^window/server-10/client-\d+/|^window/server-\d+/client-10/takeover-none`, Failed},
	{"plain-enters-window", `^deflate/plain/not-in-window$`, Failed},
	{"bfinal-is-the-end", `^deflate/block/final`, Failed},
	{"delivers-bad-data", `^deflate/data/(block|stored|distance)`, Failed},
	{"rsv1-stays", `^deflate/plain/between$`, Failed},
	{"window-less-one", `^window/server-(9|10)/client-(9|10)/takeover-both$`, Failed},
	{"empty-clears-window", `^deflate/takeover/empty$`, Failed},
	{"compresses-empty-to-nothing", `^deflate/size/(text|binary)-0$`, Failed},
	{"close-in-compressed-ignored", `^deflate/fragment/close$`, Failed},
	{"limits-single-frames", `^deflate/bomb/in-fragments$`, Failed},
	{"limits-compressed", `^deflate/bomb/(one-more|10-times)$`, Failed},
}

var serverMutants = []mutant{
	{"ignores-mask", `^mask/unmasked/([^c]|con)`, Failed},
	{"mask-goes-on", `^fragment/text/(3|100)-by-(1|7)$`, Failed},
	{"mask-by-words", `^mask/key/01020304-(67|1000)$`, Failed},
	{"keeps-open", `^close/hang-up/server$`, Failed},
	{"any-method", `^request/method/(POST|HEAD|PUT)$`, Failed},
	{"any-http-version", `^request/http/(1\.0|0\.9)$`, Failed},
	{"no-host", `^request/host/(missing|twice)$`, Failed},
	{"no-upgrade-check", `^request/upgrade/`, Failed},
	{"no-connection-check", `^request/connection/`, Failed},
	{"connection-substring", `^request/connection/wrong-[45]$`, Failed},
	{"connection-whole", `^request/good/connection-(list|two-lines)$`, Failed},
	{"connection-case", `^request/good/connection-(lower|upper)$`, Failed},
	{"no-key-check", `^request/key/(missing|wrong-2|twice)$`, Failed},
	{"takes-two-keys", `^request/key/twice`, Failed},
	{"no-version-check", `^request/version/`, Failed},
	{"no-version-in-refusal", `^request/version/(8|missing)$`, Tolerated},
	{"takes-bare-lf", `^request/head/bare-lf$`, Tolerated},
	{"constant-accept", `^request/key/good-2$`, Failed},
	{"no-upgrade-in-answer", `^request/good/plain$`, Failed},
	{"always-a-subprotocol", `^request/good/plain$|^request/subprotocol/one$`, Failed},
	{"echoes-subprotocols", `^request/subprotocol/(two|many)$`, Failed},
	{"echoes-extensions", `^request/extension/unknown$`, Failed},
	{"loses-early-frames", `^request/good/frame-behind$`, Failed},
	{"body-as-frames", `^request/body/`, Failed},
	{"takes-bad-params", `^deflate/offer/bad-`, Failed},
	{"leaves-server-bits-away", `^deflate/offer/good-(17|19|21)$`, Failed},
	{"leaves-takeover-away", `^deflate/offer/good-02$`, Failed},
	{"shrinks-client-unasked", `^deflate/offer/good-01$`, Failed},
}

var clientMutants = []mutant{
	{"ignores-mask", `^mask/masked/([^c]|con)`, Failed},
	{"same-mask", `^mask/client-keys$`, Failed},
	{"short-key", `^client/request$`, Failed},
	{"old-version", `^client/request$`, Failed},
	{"sends-early", `^client/early-frames$`, Failed},
	{"any-status", `^response/status/(200|400|503)$`, Failed},
	{"no-upgrade-check", `^response/upgrade/`, Failed},
	{"no-connection-check", `^response/connection/`, Failed},
	{"takes-interim", `^response/interim/`, Tolerated},
	{"no-accept-check", `^response/accept/(missing|empty|other-key)$`, Failed},
	{"accept-begins", `^response/accept/(cut|unpadded)$`, Failed},
	{"accept-case", `^response/accept/lower$`, Failed},
	{"any-subprotocol", `^response/subprotocol/`, Failed},
	{"any-extension", `^response/extension/unknown-[1-5]`, Failed},
	{"loses-early-frames", `^response/good/frame-behind$`, Failed},
	{"takes-bad-params", `^deflate/answer/(bad|no-value)`, Failed},
}

func TestFaultyServers(t *testing.T) {
	testMutants(t, slices.Concat(frameMutants, textMutants, closeMutants, deflateMutants, serverMutants), func(m mutant) (*Report, error) {
		return RunServer(t.Context(), twinServer(t, m.fault, twinLimit), quick(m.cases))
	})
}

func TestFaultyClients(t *testing.T) {
	testMutants(t, slices.Concat(frameMutants, textMutants, closeMutants, deflateMutants, clientMutants), func(m mutant) (*Report, error) {
		return RunClient(t.Context(), twinClient(m.fault, twinLimit), quick(m.cases))
	})
}

// testMutants runs the suite against many faulty peers at once: most of the time is
// waiting for those that hang.
func testMutants(t *testing.T, list []mutant, run func(mutant) (*Report, error)) {
	reports, errs := make([]*Report, len(list)), make([]error, len(list))
	slots := make(chan struct{}, 16)
	var wg sync.WaitGroup
	for i, m := range list {
		slots <- struct{}{}
		wg.Go(func() {
			reports[i], errs[i] = run(m)
			<-slots
		})
	}
	wg.Wait()
	for i, m := range list {
		t.Run(m.fault, func(t *testing.T) {
			require.NoError(t, errs[i])
			caught(t, m, reports[i])
		})
	}
}

// caught asks that each of the cases has the verdict that the fault should get.
func caught(t *testing.T, m mutant, r *Report) {
	n := 0
	for _, res := range r.Agents[0].Results {
		if res.Verdict == Skipped {
			continue
		}
		n++
		if res.Verdict != m.verdict {
			t.Errorf("%s is %v, not %v: %s\n%s", res.ID, res.Verdict, m.verdict, res.Detail, transcript(res.Wire))
		}
	}
	require.NotZero(t, n, "no case ran")
}

func TestCaseTable(t *testing.T) {
	form := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*(/[A-Za-z0-9.+_-]+)+$`)
	for _, c := range Cases() {
		require.Regexp(t, form, c.ID)
		require.NotEmpty(t, c.Requirement, c.ID)
		require.NotEmpty(t, c.Fault, c.ID)
		require.Regexp(t, `^RFC \d+, \d`, c.Section, c.ID)
	}
	require.Greater(t, len(ServerCases()), 1500)
	require.Greater(t, len(ClientCases()), 1400)
}
