using System.Net.Security;
using Npgsql;

namespace Dora.EndToEnd.Tests;

/// <summary>A driver that speaks to whom it should and to nobody else.</summary>
internal static class Verified
{
    public static NpgsqlDataSource Source(string connection, Action<SslClientAuthenticationOptions> expect)
    {
        var builder = new NpgsqlDataSourceBuilder(connection);
        builder.UseSslClientAuthenticationOptionsCallback(expect);
        return builder.Build();
    }
}
