package interop

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var mqttJS = runtime{name: "node with mqtt", program: node("mqtt"), client: []string{"mqtt.mjs"}}

// TestServerMQTT has clients of MQTT speak with the broker of the examples.
func TestServerMQTT(t *testing.T) {
	_, ok := mqttJS.program()
	need(t, ok, mqttJS.name)
	broker := filepath.Join(t.TempDir(), "mqtt.exe") // any system runs a program of that name
	out, err := exec.Command("go", "build", "-o", broker, "../mqtt").CombinedOutput()
	require.NoError(t, err, "%s", out)
	url, ok := strings.CutPrefix(startPeer(t, "mqtt", broker, "-addr", "127.0.0.1:0").line(t), "mqtt: serving on ")
	require.True(t, ok)
	var clients []*peer
	for _, version := range []string{"4", "5"} {
		clients = append(clients, mqttJS.start(t, mqttJS.client, url, version))
	}
	for _, p := range clients {
		require.Equal(t, "a 5 hello, b 0 , c 300000 xxxxx, d 5 again", p.line(t))
		require.Equal(t, "ended", p.line(t))
	}
}
