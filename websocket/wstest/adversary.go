package wstest

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// AttackOptions configure [RunAttacks]. The zero value and nil mean the
// defaults.
type AttackOptions struct {
	// Filter is a regular expression. Only attacks with a matching name run.
	Filter string

	// Connections is the number of concurrent attacking connections. 0 means
	// 50.
	Connections int

	// Patience is how long an attack lasts, and how long the server may take to
	// release its memory afterwards. 0 means 15 s, which is more than the 10 s
	// that a handshake should be given.
	Patience time.Duration

	// InProcess says that the server runs in this process, so that its memory
	// and goroutines can be measured. The measurements include the attacker,
	// which needs some KiB for each connection. An attack sets GOGC to 20 while
	// it runs, so that the limits below apply to memory in use rather than to
	// garbage. Under the race detector GOGC is unchanged, because frequent
	// collections may crash the runtime in a bubble of testing/synctest
	// (golang/go#78156).
	InProcess bool

	// MaxMemory is the maximum growth of the heap in bytes during an attack, if
	// InProcess is set. 0 means 4 MiB for each connection.
	MaxMemory int64

	// MaxLeft is the maximum growth of the heap in bytes after the attackers
	// have gone, if InProcess is set. 0 means 64 KiB for each connection.
	MaxLeft int64

	// Header, TLS and Dial are as in Options.
	Header http.Header
	TLS    *tls.Config
	Dial   func(ctx context.Context, network, addr string) (net.Conn, error)

	// Transport, if not nil, opens HTTP/2 or HTTP/3 streams for the attacks,
	// instead of Dial and TLS. Attacks on the head of HTTP/1.1 are skipped.
	Transport websocket.Transport
}

// Attack is an action of a hostile client.
type Attack struct {
	Name   string `json:"name"`
	Does   string `json:"does"`
	Expect string `json:"expect"` // of the server

	run func(ctx context.Context, a *attacker) error
}

// AttackResult is the result of an attack. Heap is the maximum growth of the
// heap during the attack. HeapAfter and Goroutines are the growth that remains
// after the attackers have gone.
type AttackResult struct {
	Attack
	Survived   bool          `json:"survived"`
	Detail     string        `json:"detail,omitempty"`  // why the server did not survive
	Skipped    string        `json:"skipped,omitempty"` // why the attack could not be made; Survived is then false
	Refused    int           `json:"refused"`           // connections that the server ended during the attack
	Slowest    time.Duration `json:"slowestNs"`         // the slowest ping of a regular client during the attack
	Heap       int64         `json:"heap,omitempty"`    // bytes, if InProcess
	HeapAfter  int64         `json:"heapAfter,omitempty"`
	Goroutines int           `json:"goroutines,omitempty"` // left over
	Duration   time.Duration `json:"ns"`
}

// Attacks returns all attacks.
func Attacks() []Attack { return append([]Attack(nil), attacks...) }

// TestAttacks attacks the server at url, with a subtest for each attack. The
// subtest fails if the server does not survive. To survive, the server must
// serve a regular client during and after the attack. With
// AttackOptions.InProcess, its memory must also stay bounded and be released
// afterwards. An attack that cannot be made skips its subtest. TestAttacks
// takes about twenty seconds with the defaults.
//
//	func TestSurvives(t *testing.T) {
//		s := httptest.NewUnstartedServer(handler)
//		s.Config.ReadHeaderTimeout = 5 * time.Second // net/http has no limit by itself
//		s.Config.MaxHeaderBytes = 16 << 10
//		s.Start()
//		defer s.Close()
//		url := "ws" + strings.TrimPrefix(s.URL, "http")
//		wstest.TestAttacks(t, url, &wstest.AttackOptions{InProcess: true})
//	}
//
// In a testing/synctest bubble, with a [Listener] and its DialContext,
// TestAttacks takes a second. Parallel tests in the same process distort the
// measurements.
func TestAttacks(t *testing.T, url string, o *AttackOptions) {
	results, err := RunAttacks(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		t.Run(r.Name, func(t *testing.T) {
			if r.Skipped != "" {
				t.Skip(r.Skipped)
			}
			t.Logf("refused %d, slowest ping %v, heap %+d, after it %+d, goroutines left %d", r.Refused, r.Slowest, r.Heap, r.HeapAfter, r.Goroutines)
			if !r.Survived {
				t.Errorf("%s: %s", r.Does, r.Detail)
			}
		})
	}
}

// RunAttacks attacks the server at url, one attack after the other. It returns
// an error if the server does not serve a regular client before the attacks. If
// ctx ends, it returns the results so far. Attack only your own servers.
func RunAttacks(ctx context.Context, url string, o *AttackOptions) ([]AttackResult, error) {
	t, err := parseTarget(url)
	if err != nil {
		return nil, err
	}
	a := &attacker{target: t, o: o.orDefaults()}
	filter, err := regexp.Compile(a.o.Filter)
	if err != nil {
		return nil, fmt.Errorf("wstest: filter: %w", err)
	}
	if _, err := a.honest(ctx); err != nil {
		return nil, fmt.Errorf("wstest: the server does not serve an honest client: %w", err)
	}
	var results []AttackResult
	for _, attack := range attacks {
		if !filter.MatchString(attack.Name) {
			continue
		}
		r := a.attack(ctx, attack)
		if ctx.Err() != nil {
			return results, ctx.Err()
		}
		results = append(results, r)
	}
	return results, nil
}

func (o *AttackOptions) orDefaults() AttackOptions {
	if o == nil {
		o = new(AttackOptions)
	}
	c := *o
	c.Connections = cmp.Or(c.Connections, 50)
	c.Patience = cmp.Or(c.Patience, 15*time.Second)
	c.MaxMemory = cmp.Or(c.MaxMemory, int64(c.Connections)<<22)
	c.MaxLeft = cmp.Or(c.MaxLeft, int64(c.Connections)<<16)
	return c
}

// attacker holds the state of all attacks.
type attacker struct {
	target target
	o      AttackOptions

	mu      sync.Mutex
	refused int   // connections that the server has ended
	heap    int64 // maximum in use
}

// attack runs one attack and a concurrent honest client, and waits until the
// server is idle again.
func (a *attacker) attack(ctx context.Context, attack Attack) (r AttackResult) {
	r.Attack = attack
	if a.o.InProcess && !race.Enabled {
		defer debug.SetGCPercent(debug.SetGCPercent(20))
	}
	start, before := time.Now(), a.atRest()
	a.refused, a.heap = 0, before.heap
	watch := a.watch(ctx)

	err := a.run(ctx, attack)
	slowest, honest := watch()
	if reason, ok := errors.AsType[cannotAttack](err); ok {
		r.Skipped, r.Duration = reason.Error(), time.Since(start)
		return r
	}
	err = errors.Join(err, honest)

	r.Refused, r.Slowest = a.refused, slowest
	if a.o.InProcess {
		after := a.settle(ctx, before)
		r.Heap, r.HeapAfter, r.Goroutines = a.heap-before.heap, after.heap-before.heap, after.goroutines-before.goroutines
		if r.Heap > a.o.MaxMemory {
			err = errors.Join(err, fmt.Errorf("the heap grew by %d bytes, more than %d", r.Heap, a.o.MaxMemory))
		}
		if r.HeapAfter > a.o.MaxLeft {
			err = errors.Join(err, fmt.Errorf("%d bytes are held after the attack, more than %d", r.HeapAfter, a.o.MaxLeft))
		}
		if r.Goroutines > 0 {
			err = errors.Join(err, fmt.Errorf("%d goroutines are left over", r.Goroutines))
		}
	}
	if _, e := a.honest(ctx); e != nil {
		err = errors.Join(err, fmt.Errorf("after the attack, an honest client is not served: %w", e))
	}
	r.Survived, r.Duration = err == nil, time.Since(start)
	if err != nil {
		r.Detail = err.Error()
	}
	return r
}

// run runs an attack, unless it does not apply to streams.
func (a *attacker) run(ctx context.Context, attack Attack) error {
	if a.o.Transport != nil && slices.Contains([]string{"slow-loris", "endless-head", "refused-body"}, attack.Name) {
		return cannotAttack("the attack is about the head of HTTP/1.1")
	}
	return attack.run(ctx, a)
}

// usage holds the measurements of a server in the same process.
type usage struct {
	heap       int64
	goroutines int
}

// measure measures live and unswept memory without stopping the world.
func measure() usage {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return usage{int64(sample[0].Value.Uint64()), runtime.NumGoroutine()}
}

// atRest measures after two garbage collections, which empty the pools.
func (a *attacker) atRest() usage {
	if a.o.InProcess {
		runtime.GC()
		runtime.GC()
	}
	return measure()
}

// sample measures the heap.
func (a *attacker) sample() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.heap = max(a.heap, measure().heap)
}

// watch measures and pings until stop is called.
func (a *attacker) watch(ctx context.Context) (stop func() (slowest time.Duration, err error)) {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	var slowest time.Duration
	var failed error
	done.Go(func() {
		for tick := time.Tick(50 * time.Millisecond); ; {
			d, err := a.honest(ctx)
			if err != nil && ctx.Err() == nil {
				failed = fmt.Errorf("during the attack, an honest client is not served: %w", err)
			}
			slowest = max(slowest, d)
			a.sample()
			select {
			case <-ctx.Done():
				return
			case <-tick:
			}
		}
	})
	return func() (time.Duration, error) {
		cancel()
		done.Wait()
		return slowest, failed
	}
}

// settle waits, at most for Patience, until there are no more goroutines than
// before and the heap is not much larger.
func (a *attacker) settle(ctx context.Context, before usage) usage {
	ctx, cancel := context.WithTimeout(ctx, a.o.Patience)
	defer cancel()
	for tick := time.Tick(50 * time.Millisecond); ; {
		if runtime.NumGoroutine() <= before.goroutines || ctx.Err() != nil {
			now := a.atRest()
			calm := now.goroutines <= before.goroutines && now.heap <= before.heap+a.o.MaxLeft
			if calm || ctx.Err() != nil { // a timer may have just started a goroutine
				return now
			}
		}
		select {
		case <-ctx.Done():
		case <-tick:
		}
	}
}

// honest connects, pings, waits for the pong and closes. It returns the time
// between ping and pong.
func (a *attacker) honest(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, a.o.Patience)
	defer cancel()
	c, err := a.open(ctx)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	start := time.Now()
	if err := ws.WriteFrame(c, ws.MaskFrame(ws.NewPingFrame([]byte("honest")))); err != nil {
		return 0, err
	}
	if err := awaitPong(c, []byte("honest")); err != nil {
		return 0, err
	}
	d := time.Since(start)
	return d, ws.WriteFrame(c, ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))))
}

// dial opens a connection without a handshake.
func (a *attacker) dial(ctx context.Context) (net.Conn, error) {
	return a.target.dial(ctx, (&Options{TLS: a.o.TLS, Dial: a.o.Dial, Transport: a.o.Transport}).orDefaults())
}

// open opens a connection with a handshake.
func (a *attacker) open(ctx context.Context) (net.Conn, error) {
	conn, _, err := a.offer(ctx)
	return conn, err
}

// offer opens a connection with a handshake that offers these extensions.
func (a *attacker) offer(ctx context.Context, extensions ...httphead.Option) (net.Conn, ws.Handshake, error) {
	d := ws.Dialer{TLSConfig: a.o.TLS, Timeout: -1, NetDial: a.o.Dial, Extensions: extensions}
	if a.o.Header != nil {
		d.Header = ws.HandshakeHeaderHTTP(a.o.Header)
	}
	if a.o.Transport != nil {
		s, hs, err := websocket.OpenStream(ctx, a.o.Transport, d, a.target.url.String())
		return netStream{s}, hs, err
	}
	conn, _, hs, err := d.Dial(ctx, a.target.url.String())
	return conn, hs, err
}

// each runs f on Connections concurrent connections. It counts connections that
// the server ends. The end of a connection is not an error.
func (a *attacker) each(ctx context.Context, open func(context.Context) (net.Conn, error), f func(ctx context.Context, c net.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, a.o.Patience)
	defer cancel()
	var all sync.WaitGroup
	var refused error
	for range a.o.Connections {
		all.Go(func() {
			c, err := open(ctx)
			if err == nil {
				stop := context.AfterFunc(ctx, func() { c.Close() })
				err = f(ctx, c)
				a.sample()
				stop()
				c.Close()
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			if errors.Is(err, errHarm) {
				refused = err
			} else if err != nil && ctx.Err() == nil {
				a.refused++
			}
		})
	}
	all.Wait()
	return refused
}

// cannotAttack says why an attack cannot be made on this server.
type cannotAttack string

func (e cannotAttack) Error() string { return string(e) }

// errHarm is wrapped by errors of attacks that have done harm.
var errHarm = errors.New("the attack succeeds")
