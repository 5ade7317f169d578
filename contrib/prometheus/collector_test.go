package wsprometheus_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	wsprometheus "github.com/wskit/wskit/contrib/prometheus"
	"github.com/wskit/wskit/websocket"
)

// program is a server with an echo and /metrics.
func program(t *testing.T, opts *wsprometheus.Options) (url string, stats *websocket.Stats) {
	stats = new(websocket.Stats)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(wsprometheus.NewCollector(stats, opts))
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{Stats: stats}})
		if err != nil {
			return
		}
		defer c.CloseNow()
		for msg, err := range c.Messages(r.Context()) {
			if err != nil || c.Write(r.Context(), msg.Type, msg.Data) != nil {
				return
			}
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL, stats
}

// scrape asks as Prometheus does.
func scrape(t *testing.T, url string) map[string]*dto.MetricFamily {
	resp, err := http.Get(url + "/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	require.NoError(t, err)
	return families
}

// value returns a metric whose labels have these values, in the order of their names.
func value(t *testing.T, families map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	t.Helper()
	require.Contains(t, families, name)
	for _, m := range families[name].Metric {
		var values []string
		for _, l := range m.Label {
			values = append(values, l.GetValue())
		}
		if strings.Join(values, ",") == strings.Join(labels, ",") {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	t.Fatalf("no %s of %q", name, labels)
	return 0
}

func TestScrape(t *testing.T) {
	url, stats := program(t, &wsprometheus.Options{
		Labels:     prometheus.Labels{"endpoint": "echo"},
		CloseCodes: []websocket.StatusCode{4001},
	})
	open := func() *websocket.Conn {
		c, _, err := websocket.Dial(t.Context(), url+"/echo", nil)
		require.NoError(t, err)
		return c
	}
	_, _, err := websocket.Dial(t.Context(), url+"/echo", &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"http://evil.example"}}})
	require.Error(t, err)
	c := open()
	require.NoError(t, c.Write(t.Context(), websocket.MessageText, []byte("hello")))
	_, _, err = c.Read(t.Context())
	require.NoError(t, err)
	for _, code := range []websocket.StatusCode{1000, 4001, 4002, 4003} {
		require.NoError(t, open().Close(code, ""))
	}
	require.Eventually(t, func() bool {
		return stats.Open.Load() == 1 && stats.Lifetimes.Count() == 4 && stats.WireBytesWritten.Load() == 5
	}, 20*time.Second, time.Millisecond)

	m := scrape(t, url)
	for _, row := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"websocket_connections", []string{"echo"}, 1},
		{"websocket_connections_opened_total", []string{"echo"}, 5},
		{"websocket_handshakes_refused_total", []string{"echo", "403"}, 1},
		{"websocket_handshake_duration_seconds", []string{"echo"}, 5},
		{"websocket_connection_duration_seconds", []string{"echo"}, 4},
		{"websocket_messages_total", []string{"received", "echo"}, 1},
		{"websocket_message_bytes_total", []string{"sent", "echo"}, 5},
		{"websocket_wire_bytes_total", []string{"sent", "echo"}, 5},
		{"websocket_close_frames_total", []string{"1000", "received", "echo"}, 1},
		{"websocket_close_frames_total", []string{"4001", "received", "echo"}, 1},
		{"websocket_close_frames_total", []string{"4xxx", "received", "echo"}, 2},
		{"websocket_close_frames_total", []string{"4xxx", "sent", "echo"}, 2},
	} {
		require.Equal(t, row.want, value(t, m, row.name, row.labels...), "%s %q", row.name, row.labels)
	}
	buckets := m["websocket_handshake_duration_seconds"].Metric[0].Histogram.Bucket
	require.Equal(t, 0.001, buckets[0].GetUpperBound())
	require.EqualValues(t, 5, buckets[len(buckets)-1].GetCumulativeCount())
	require.NoError(t, c.Close(1000, ""))
}

// The names follow the conventions of Prometheus, and two collectors fit one registry.
func TestLint(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	for _, endpoint := range []string{"a", "b"} {
		c := wsprometheus.NewCollector(new(websocket.Stats), &wsprometheus.Options{Labels: prometheus.Labels{"endpoint": endpoint}})
		require.NoError(t, registry.Register(c))
		problems, err := testutil.CollectAndLint(c)
		require.NoError(t, err)
		require.Empty(t, problems)
	}
	_, err := registry.Gather()
	require.NoError(t, err)
	require.Error(t, registry.Register(wsprometheus.NewCollector(new(websocket.Stats), &wsprometheus.Options{Labels: prometheus.Labels{"endpoint": "a"}})))
}

// The dashboard can be imported, and asks for nothing that is not exported.
func TestDashboard(t *testing.T) {
	raw, err := os.ReadFile("dashboard.json")
	require.NoError(t, err)
	var dashboard struct {
		Title         string
		SchemaVersion int
		Templating    struct{ List []struct{ Name, Type string } }
		Panels        []struct {
			ID         int
			Title      string
			Type       string
			Datasource struct{ UID string }
			GridPos    struct{ H, W, X, Y int }
			Targets    []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal(raw, &dashboard))
	require.NotEmpty(t, dashboard.Title)
	require.NotZero(t, dashboard.SchemaVersion)
	require.Equal(t, "datasource", dashboard.Templating.List[0].Type)

	url, stats := program(t, nil)
	_, _, err = websocket.Dial(t.Context(), url+"/none", &websocket.DialOptions{ConnOptions: websocket.ConnOptions{Stats: stats}})
	require.Error(t, err)
	c, _, err := websocket.Dial(t.Context(), url+"/echo", nil)
	require.NoError(t, err)
	require.NoError(t, c.Close(1000, ""))
	exported := scrape(t, url)

	names := regexp.MustCompile(`websocket_\w+`)
	asked := map[string]bool{}
	ids := map[int]bool{}
	for _, p := range dashboard.Panels {
		require.Equal(t, "${datasource}", p.Datasource.UID, p.Title)
		require.False(t, ids[p.ID], "panel %d", p.ID)
		ids[p.ID] = true
		require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
		require.NotEmpty(t, p.Targets, p.Title)
		for _, target := range p.Targets {
			for _, name := range names.FindAllString(target.Expr, -1) {
				name = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
				require.Contains(t, exported, name, p.Title)
				asked[name] = true
			}
		}
	}
	for name := range exported {
		require.True(t, asked[name], "the dashboard does not show %s", name)
	}
}
