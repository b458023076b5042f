using Dora.Engines;
using Dora.Operator.Certificates;
using FsCheck;
using FsCheck.Fluent;

namespace Dora.Operator.Tests.Certificates;

public sealed class RotationPropertyTests
{
    /// <summary>What may happen to a stack between two passes.</summary>
    private enum Event
    {
        Minutes,
        Days,
        Years,
        Rotate,
        LoseAuthority,
        LoseKey,
        LoseCertificate,
        SpoilCertificate,
        SpoilRoots,
        SpoilTime,
        SwapKeys,
        Crash,
        Sick,
        Renamed,
        ClockBack,
        VaultSigns,
        OperatorSigns,
        VaultChangesItsRoot,
        VaultIsAway,
    }

    /// <summary>
    /// The world asserts after each write that nobody is forgotten who was believed, and that a new certificate is believed by all.
    /// </summary>
    [Fact]
    public void Whatever_happens_and_whenever_it_converges_and_no_write_breaks_trust()
    {
        var cases =
            from events in Gen.ArrayOf(Gen.Elements(Enum.GetValues<Event>()), 12)
            from writes in Gen.Choose(1, 4)
            select (events, writes);
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(25), Prop.ForAll(Arb.From(cases, Shorter), one => Run(one.events, one.writes)));
    }

    [Fact]
    public void Whatever_happens_while_Vault_signs_it_converges_and_no_write_breaks_trust()
    {
        var cases =
            from events in Gen.ArrayOf(Gen.Elements(Event.VaultChangesItsRoot, Event.VaultIsAway, Event.Days, Event.Minutes, Event.Rotate, Event.LoseAuthority, Event.Crash, Event.Sick, Event.Renamed, Event.OperatorSigns, Event.VaultSigns, Event.SpoilRoots), 12)
            from writes in Gen.Choose(1, 4)
            select (events, writes);
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(25), Prop.ForAll(Arb.From(cases, Shorter), one => Run(one.events, one.writes, Event.VaultSigns)));
    }

    private static IEnumerable<(Event[] Events, int Writes)> Shorter((Event[] Events, int Writes) one) =>
        one.Events.Select((_, index) => (one.Events.Where((_, other) => other != index).ToArray(), one.Writes));

    private static void Run(IReadOnlyList<Event> events, int writes, params IEnumerable<Event> before)
    {
        var world = new CertificateWorld();
        foreach (var what in before.Concat(events))
        {
            Happen(world, what);
            world.Pass(writes);
        }

        world.Serving = true;
        world.Clock.Skew(TimeSpan.Zero);
        world.Vault.Away = null;
        world.Settle();
        world.AssertConverged();
    }

    private static void Happen(CertificateWorld world, Event what)
    {
        var issued = world.Secrets.ContainsKey(CertificateWorld.Redis) && world.Secrets.ContainsKey(CertificateWorld.Postgres) && world.Secrets.ContainsKey(CertificateWorld.Authority);
        switch (what)
        {
            case Event.Minutes:
                world.Clock.Advance(TimeSpan.FromMinutes(2));
                break;
            case Event.Days:
                world.Clock.Advance(TimeSpan.FromDays(31));
                break;
            case Event.Years:
                world.Clock.Advance(TimeSpan.FromDays(800));
                break;
            case Event.ClockBack:
                world.Clock.Skew(world.Clock.Elapsed > TimeSpan.FromDays(1) ? TimeSpan.FromHours(-1) : TimeSpan.Zero);
                break;
            case Event.Rotate:
                world.Annotate($"{world.Clock.Elapsed}");
                break;
            case Event.Sick:
                world.Serving = !world.Serving;
                break;
            case Event.Renamed:
                world.Wanted[0] = ("redis", world.Wanted[0].Request with { DnsNames = [$"n{world.Clock.Elapsed.Ticks}.default.svc"] });
                break;
            case Event.VaultSigns:
                world.Issuer(Dora.Api.TlsIssuer.Vault);
                break;
            case Event.OperatorSigns:
                world.Issuer(Dora.Api.TlsIssuer.Operator);
                break;
            case Event.VaultChangesItsRoot:
                world.Vault.Rotate();
                break;
            case Event.VaultIsAway:
                world.Vault.Away = world.Vault.Away is null ? new("VaultSealed", "sealed") : null;
                break;
            case Event.Crash:
                world.Vault.Forget();
                break;
            case Event.LoseAuthority:
                world.Secrets.Remove(CertificateWorld.Authority);
                break;
            case Event.LoseCertificate:
                world.Secrets.Remove(CertificateWorld.Postgres);
                break;
            case Event.LoseKey when issued:
                world.Edit(CertificateWorld.Authority, (Authority.Key, ""));
                break;
            case Event.SpoilCertificate when issued:
                world.Edit(CertificateWorld.Redis, (CertificateRequest.Chain, "nonsense"));
                break;
            case Event.SpoilRoots when issued:
                world.Edit(CertificateWorld.Postgres, (CertificateRequest.Trust, "nonsense"));
                break;
            case Event.SpoilTime when issued:
                world.EditAnnotation(CertificateWorld.Redis, Dora.Api.Labels.CertificateWritten, "nonsense");
                break;
            case Event.SwapKeys when issued:
                world.Edit(CertificateWorld.Redis, (CertificateRequest.Key, world.Found(CertificateWorld.Postgres).Fields[CertificateRequest.Key]));
                break;
        }
    }
}
