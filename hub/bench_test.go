package hub_test

import (
	"fmt"
	"testing"

	"github.com/wskit/wskit/hub"
)

// BenchmarkPublish publishes to receivers that do nothing. It measures only the
// time of the hub for each delivery.
func BenchmarkPublish(b *testing.B) {
	for _, c := range []struct{ topics, receivers int }{{1, 5000}, {1000, 5}} {
		b.Run(fmt.Sprintf("topics=%d/receivers=%d", c.topics, c.receivers), func(b *testing.B) {
			h := hub.New(nil)
			names := make([]string, c.topics)
			for i := range names {
				names[i] = fmt.Sprint("topic.", i)
				for range c.receivers {
					m, err := h.Join(silent{}, nil)
					if err != nil {
						b.Fatal(err)
					}
					if _, err := m.Subscribe(background, names[i], nil); err != nil {
						b.Fatal(err)
					}
				}
			}
			p := hub.Text("sixty-four bytes of text, which is about what a short chat has ..")
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				h.Publish(background, names[i%len(names)], p)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*c.receivers), "ns/delivery")
		})
	}
}
