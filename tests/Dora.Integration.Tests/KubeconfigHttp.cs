using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;

namespace Dora.Integration.Tests;

/// <summary>Plain HTTP with what a kubeconfig says; no client of ours between the test and the server.</summary>
internal static class KubeconfigHttp
{
    public static HttpClient ClientOf(JsonNode kubeconfig)
    {
        var cluster = kubeconfig["clusters"]![0]!["cluster"]!;
        var user = kubeconfig["users"]![0]!["user"]!;
        string Text(JsonNode node, string field) => Encoding.UTF8.GetString(Convert.FromBase64String((string)node[field]!));
        var authority = X509Certificate2.CreateFromPem(Text(cluster, "certificate-authority-data"));
        var handler = new SocketsHttpHandler();
        if (user["client-certificate-data"] is not null)
        {
            using var pem = X509Certificate2.CreateFromPem(Text(user, "client-certificate-data"), Text(user, "client-key-data"));
            handler.SslOptions.ClientCertificates = [X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pfx), null)];
        }

        handler.SslOptions.CertificateChainPolicy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            CustomTrustStore = { authority },
        };
        var client = new HttpClient(handler) { BaseAddress = new Uri((string)cluster["server"]!), DefaultRequestVersion = new(2, 0) };
        if ((string?)user["token"] is { } token)
            client.DefaultRequestHeaders.Authorization = new("Bearer", token);
        client.DefaultRequestHeaders.UserAgent.ParseAdd("contract/1");
        return client;
    }
}
